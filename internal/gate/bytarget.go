package gate

import (
	"context"
	"time"

	"github.com/headgate/headgate/internal/store"
)

// TargetState is the state of a message at one target.
type TargetState string

// The states of a message at a target. One that failed gets no further attempt until the
// message is replayed.
const (
	TargetPending   TargetState = "pending"
	TargetDelivered TargetState = "delivered"
	TargetFailed    TargetState = "failed"
)

// StateAt returns the state of a message at a target.
func StateAt(t store.Target) TargetState {
	switch {
	case t.Delivered():
		return TargetDelivered
	case t.GivenUp():
		return TargetFailed
	}
	return TargetPending
}

// AtTarget selects messages by their states at targets. The zero AtTarget selects all.
type AtTarget struct {
	Name  string      // "" for any target
	State TargetState // "" for any state
}

// selects reports whether one of the message's targets is selected. A message for a single
// topic has no list of targets: it is at the topic what it is as a whole. Dead letters and
// the records of dropped windows go to no target.
func (s AtTarget) selects(c store.ClaimInfo, single string) bool {
	targets := c.Targets
	switch {
	case s == AtTarget{}:
		return true
	case c.State == store.Dropped, c.Window != nil && c.Window.Completion == store.DeadLettered:
		return false
	case len(targets) == 0:
		targets = []store.Target{{Name: single, NextAttempt: c.Date, DeliveredAt: c.PublishedAt}}
	}
	for _, t := range targets {
		if (s.Name == "" || s.Name == t.Name) && (s.State == "" || s.State == StateAt(t)) {
			return true
		}
	}
	return false
}

// mostSought bounds the messages that one page of those at a target reads, because no index
// has the states of targets.
const mostSought = 1000

// MessagesAt lists the messages that are selected and were claimed at since or later, newest
// first, and returns where the next page begins, or nil at the end. A page of those at a
// target may be shorter than its limit, or empty, and not be the last one.
func (g *Gate) MessagesAt(ctx context.Context, page store.Page, since time.Time, at AtTarget) (found []store.ClaimInfo, next *store.Cursor, err error) {
	if err := g.checkTarget(at.Name); err != nil {
		return nil, nil, err
	}
	if at.State == TargetPending && page.State == "" {
		page.State = store.Claimed // other messages wait for no target
	}
	list := store.Paged[store.ClaimInfo]{Limit: page.Limit}
	most := max(mostSought, page.Limit+1)
	page.Limit++
	for read := 0; read < most; {
		page.Limit = min(page.Limit, most-read)
		infos, err := g.Messages(ctx, page)
		if err != nil {
			return nil, nil, err
		}
		for _, c := range infos {
			if c.Date.Before(since) {
				return list.Items, nil, nil // the others are older still
			}
			if at.selects(c, g.singleTarget()) && !list.Add(c, 0) {
				return list.Items, page.After, nil
			}
			page.After = &store.Cursor{Date: c.Date, ID: c.ID}
		}
		if read += len(infos); len(infos) < page.Limit {
			return list.Items, nil, nil
		}
	}
	return list.Items, page.After, nil
}

// singleTarget returns the name of the target of a message without a list of targets, which
// went to one topic.
func (g *Gate) singleTarget() string {
	for _, t := range g.svc.AllTargets() {
		if t.PubSub != nil && t.PubSub.Topic == g.topic {
			return t.Name
		}
	}
	return ""
}
