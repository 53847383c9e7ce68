package gate

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/bus"
	"github.com/headgate/headgate/internal/gate/target"
	"github.com/headgate/headgate/internal/platform/clock"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/outbound"
	"github.com/headgate/headgate/internal/store"
)

// sendTime bounds one attempt at a target that is not a topic, as for webhooks.
const sendTime = 15 * time.Second

// receiver is one of a service's several targets.
type receiver struct {
	name string
	kind kind
	send target.Sender
	away atomic.Int64 // time.Ran when it last did not answer
}

// kind is the kind of a receiver, which decides how long and how often it is tried.
type kind int

const (
	aTopic kind = iota
	anEndpoint
	aSync
)

// unknownFor is the age of a message at which a target that the configuration does not have
// is given up. While a deployment replaces instances, an older one finds messages of newer
// ones, whose targets it does not know yet.
const unknownFor = time.Hour

// compileTargets sets where messages go. A service with one topic and nothing else has no
// receivers but the sole one: its claims are as they always were, and their state is the
// topic's. A claim of a configuration with more targets finds the topic there. A target
// without a sender, such as a sync that this process cannot run, is left out.
func (g *Gate) compileTargets(senders map[string]target.Sender) {
	all := slices.DeleteFunc(g.svc.AllTargets(), func(t config.Target) bool { return t.PubSub == nil && senders[t.Name] == nil })
	for _, t := range all {
		g.targetNames = append(g.targetNames, t.Name)
		if t.PubSub != nil && g.topic == "" {
			g.topic = t.PubSub.Topic
		}
	}
	sole := len(all) == 1 && all[0].PubSub != nil
	for _, t := range all {
		r := &receiver{name: t.Name, send: senders[t.Name]}
		switch {
		case t.PubSub != nil:
			r.send = topicSender{g, t.PubSub.Topic}
		case t.HTTP != nil:
			r.kind = anEndpoint
		default:
			r.kind = aSync
		}
		r.away.Store(int64(never))
		if sole {
			g.sole = r
			return
		}
		g.receivers = append(g.receivers, r)
	}
}

// topicSender publishes messages to a topic.
type topicSender struct {
	g     *Gate
	topic string
}

// Send implements [target.Sender].
func (s topicSender) Send(ctx context.Context, m target.Message) error {
	_, err := s.g.bus.Publish(ctx, s.topic, bus.Message{Data: m.Data, Attributes: m.Attributes})
	if err != nil {
		return &target.Failure{Message: err.Error(), Cause: err, Unanswered: true}
	}
	return nil
}

// Topic returns the topic of the service's messages: that of the first target that is a
// topic. It is "" if none is.
func (g *Gate) Topic() string { return g.topic }

// newTargets returns the states of a new claim's targets, or nil if it has only one.
func (g *Gate) newTargets(now time.Time) (targets []store.Target) {
	for _, r := range g.receivers {
		targets = append(targets, store.Target{Name: r.name, NextAttempt: now})
	}
	return targets
}

// receiver returns the receiver of that name, or nil if the configuration has none.
func (g *Gate) receiver(name string) *receiver {
	if g.sole != nil && g.sole.name == name {
		return g.sole
	}
	i := slices.IndexFunc(g.receivers, func(r *receiver) bool { return r.name == name })
	if i < 0 {
		return nil
	}
	return g.receivers[i]
}

// TargetNames returns the names of the targets to which the gate sends.
func (g *Gate) TargetNames() []string { return g.targetNames }

// checkTarget returns an error if the service has no such target.
func (g *Gate) checkTarget(name string) error {
	if name == "" || slices.Contains(g.TargetNames(), name) {
		return nil
	}
	return fault.New(fault.Invalid, "there is no target %q: the targets are %s", name, strings.Join(g.TargetNames(), ", "))
}

// pending reports whether the target still waits for the message.
func pending(t store.Target) bool { return !t.Delivered() && !t.GivenUp() }

// due reports whether an attempt may be made at the target now. An operator's sweep does
// not wait for a topic or a sync, whose attempts are not counted. An endpoint that is called
// too often would be given up too early.
func (g *Gate) due(t store.Target, now time.Time, which which) bool {
	if !pending(t) {
		return false
	}
	r := g.receiver(t.Name)
	if r != nil && !g.elapsed(&r.away, busRest) {
		return false
	}
	return which == allClaims && r != nil && r.kind != anEndpoint || clock.Over(t.NextAttempt, now, outbound.LongestPause)
}

// free reports whether a sweep may publish the claim. A claim without LastError is leased by
// a publisher until NextAttempt, and must be left alone until then. One with LastError has
// failed and only backs off. If it has several targets, each backs off by itself.
func (g *Gate) free(c store.ClaimInfo, now time.Time, which which) bool {
	if len(c.Targets) == 0 {
		return which.free(c, now)
	}
	if c.LastError == "" {
		return clock.Over(c.NextAttempt, now, leaseOf(c, c.Attempts))
	}
	return !slices.ContainsFunc(c.Targets, pending) ||
		slices.ContainsFunc(c.Targets, func(t store.Target) bool { return g.due(t, now, which) })
}

// longestRest returns the longest back-off of the service's claims.
func (g *Gate) longestRest() time.Duration {
	if len(g.receivers) > 0 {
		return max(longestRest, outbound.LongestPause)
	}
	return longestRest
}

// leaseOf returns the time for which an attempt holds the claim.
func leaseOf(c store.ClaimInfo, attempt int) time.Duration {
	if len(c.Targets) > 0 {
		return publishLease(attempt) + sendTime
	}
	return publishLease(attempt)
}

// patience returns how long an attempt at the target may take. Sources wait for the first
// one where the process gets no processor after its answer.
func (g *Gate) patience(r *receiver, attempt int) time.Duration {
	if r.kind == aTopic || attempt <= 1 && !g.backgroundCPU {
		return publishTimeout
	}
	return sendTime
}

// settled returns the state of a target after an attempt.
func (g *Gate) settled(r *receiver, t store.Target, err error) store.Target {
	now := g.clock()
	t.Attempts++
	if err == nil {
		t.DeliveredAt, t.NextAttempt, t.LastError = now, time.Time{}, ""
		return t
	}
	t.LastError = err.Error()
	if f, ok := errors.AsType[*target.Failure](err); ok && f.Unanswered {
		r.away.Store(int64(g.time.Ran()))
	}
	wait, again := outbound.Pause(t.Attempts, target.RetryAfter(err))
	switch {
	case target.Final(err) || r.kind == anEndpoint && !again:
		t.NextAttempt = time.Time{}
	case r.kind == anEndpoint:
		t.NextAttempt = now.Add(wait)
	default:
		t.NextAttempt = nextAttempt(now, t.Attempts)
	}
	return t
}
