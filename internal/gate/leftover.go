package gate

import (
	"context"
	"sync"
	"time"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/platform/clock"
	"github.com/headgate/headgate/internal/store"
)

// leftovers are events that wait in the kind of set that the service's rules do not use: in
// sets of keys although the service is plain now, or the other way. No window has them. A
// rollback, or an instance of the former revision, still finds them. So they leave without a
// message only when they have waited for as long as a name is remembered: a day, or the
// longest window if that is longer. Then they are counted and logged like all others.
//
// The same holds for single events that wait for dead letters which the service no longer has.
type leftovers struct {
	mu      sync.Mutex
	looked  bool // the first sweep of this process has looked for them
	some    bool // there were some at the last look
	letters bool // single events for dead letters were among them
}

// lookForLeftovers looks for leftovers once per process, because nobody adds any later. It
// warns of them at once, while the former rules can still be restored.
func (g *Gate) lookForLeftovers(ctx context.Context) error {
	g.left.mu.Lock()
	defer g.left.mu.Unlock()
	if g.left.looked {
		return nil
	}
	if err := g.lookForLetters(ctx); err != nil {
		return err
	}
	for _, ep := range g.endpoints {
		first, err := g.firstLeft(ctx, ep)
		if err != nil {
			return err
		}
		if first.IsZero() {
			continue
		}
		g.left.some = true
		g.log.WarnContext(ctx, "events wait under rules that the service no longer has: they leave without a message, unless it gets the former rules back",
			"eventKey", ep.Key, "oldest", first.Format(time.RFC3339), "leaves", first.Add(g.remember()).Format(time.RFC3339))
	}
	g.left.looked = true
	return nil
}

// lookForLetters looks for single events that wait for their way to the dead letters, although
// no rule sends any there now. It sends them if there still is a topic.
func (g *Gate) lookForLetters(ctx context.Context) error {
	if g.rules.letters {
		return nil
	}
	if g.svc.DeadLetter != nil {
		return g.sendLetters(ctx)
	}
	ws, err := g.store.WaitingUpTo(ctx, g.letters(), time.Time{}, nil, 1)
	if err != nil || len(ws) == 0 {
		return err
	}
	g.left.some, g.left.letters = true, true
	g.log.WarnContext(ctx, "events wait for dead letters that the service no longer has: they leave without a message, unless it gets the former rules back",
		"oldest", ws[0].ReceivedAt.Format(time.RFC3339), "leaves", ws[0].ReceivedAt.Add(g.remember()).Format(time.RFC3339))
	return nil
}

// firstLeft returns when an endpoint's first leftover was received; zero: it has none.
func (g *Gate) firstLeft(ctx context.Context, ep store.Endpoint) (time.Time, error) {
	if g.rules.byKey {
		ps, err := g.store.Pending(ctx, ep, time.Time{}, 1)
		if err != nil || len(ps) == 0 {
			return time.Time{}, err
		}
		return ps[0].ReceivedAt, nil
	}
	ws, err := g.store.WaitingUpTo(ctx, ep, time.Time{}, nil, 1)
	if err != nil || len(ws) == 0 {
		return time.Time{}, err
	}
	return ws[0].ReceivedAt, nil
}

// discardLeftovers deletes the pointers to leftovers whose time is over, and adds them to the
// lapses. The clock must be settled. Nothing is deleted while a claim in parts is made: it may
// have begun under the former rules, and then takes its events from the sets that these used.
func (g *Gate) discardLeftovers(ctx context.Context, lapses []lapse, left *int) error {
	g.left.mu.Lock()
	defer g.left.mu.Unlock()
	if !g.left.some {
		return nil
	}
	if parts, err := g.store.Gatherings(ctx, g.svc.ServiceName, 1); err != nil || len(parts) > 0 {
		return err
	}
	upTo := whole(g.time.Since(g.remember())).Add(-clock.Skew)
	some := false
	if g.left.letters {
		if err := g.discardWaitingLeft(ctx, g.letters(), upTo, &lapses[len(g.endpoints)], left); err != nil {
			return err
		}
		ws, err := g.store.WaitingUpTo(ctx, g.letters(), time.Time{}, nil, 1)
		if err != nil {
			return err
		}
		g.left.letters = len(ws) > 0
		some = g.left.letters
	}
	for i, ep := range g.endpoints {
		discard := g.discardWaitingLeft
		if g.rules.byKey {
			discard = g.discardPlainLeft
		}
		if err := discard(ctx, ep, upTo, &lapses[i], left); err != nil {
			return err
		}
		first, err := g.firstLeft(ctx, ep)
		if err != nil {
			return err
		}
		some = some || !first.IsZero()
	}
	g.left.some = some
	return nil
}

func (g *Gate) discardPlainLeft(ctx context.Context, ep store.Endpoint, upTo time.Time, l *lapse, left *int) error {
	for *left > 0 {
		over, err := g.store.Stale(ctx, ep, upTo, sweepPage)
		if err != nil || len(over) == 0 {
			return err
		}
		n, err := g.store.Discard(ctx, ep, over)
		l.add(n, over)
		if *left -= n; n > 0 {
			g.changed()
		}
		if err != nil || len(over) < sweepPage {
			return err
		}
	}
	return nil
}

func (g *Gate) discardWaitingLeft(ctx context.Context, ep store.Endpoint, upTo time.Time, l *lapse, left *int) error {
	var after *store.Cursor
	for *left > 0 {
		page, err := g.store.WaitingUpTo(ctx, ep, upTo, after, sweepPage)
		if err != nil || len(page) == 0 {
			return err
		}
		last := page[len(page)-1]
		after = &store.Cursor{Date: last.At, ID: last.ID}
		var over []event.Waiting
		var refs []store.Pointer
		for _, w := range page {
			if !w.ReceivedAt.After(upTo) { // an event's own time may be earlier
				over, refs = append(over, w), append(refs, w.Ref)
			}
		}
		n, err := g.store.DiscardWaiting(ctx, ep, over)
		l.add(n, refs)
		if *left -= n; n > 0 {
			g.changed()
		}
		if err != nil || len(page) < sweepPage {
			return err
		}
	}
	return nil
}
