package gate

import (
	"context"
	"time"

	"github.com/headgate/headgate/internal/platform/clock"
	"github.com/headgate/headgate/internal/platform/meter"
	"github.com/headgate/headgate/internal/store"
)

// Swept is the result of a sweep.
type Swept struct {
	Republished int    // waiting claims that were published: every target has them
	Failed      int    // waiting claims that were tried, and still miss a target
	Expired     int    // events that had left the window without a message; their pointers are deleted
	Purged      int    // deleted events and messages, which had expired
	Triggered   string // eventID of a window found complete, or ""
	Published   bool   // with Triggered: the bus has the message; if false, a sweep retries it
}

const (
	sweepPage      = 100 // claims or pointers at a time
	sweepPublishes = 8   // at once
	sweepLimit     = 20_000
)

// Sweep completes the work of instances that died or could not reach the bus. It publishes
// claims whose next attempt is due, checks the window, postpones the expiry of events that
// waiting claims need, and deletes expired data. Any instance may run it at any time, and
// several may at once: leases and conditional writes keep them apart.
func (g *Gate) Sweep(ctx context.Context) (Swept, error) { return g.runSweep(ctx, dueClaims) }

// SweepNow is a Sweep that also publishes to topics and syncs that back off. An operator calls
// it when the bus is back, and a scheduler each minute: so endpoints keep their back-off, or
// their attempts would be used up within minutes. Claims that another instance is publishing
// are still left to it.
func (g *Gate) SweepNow(ctx context.Context) (Swept, error) { return g.runSweep(ctx, allClaims) }

func (g *Gate) runSweep(ctx context.Context, which which) (s Swept, err error) {
	if !g.enter() {
		return s, errClosing
	}
	defer g.inFlight.Done()
	defer func() {
		if err == nil && g.swept != nil {
			g.swept(ctx, which == allClaims)
		}
	}()
	defer g.measure(meter.SweepDuration, g.time.Ran(), &err)
	if err := g.observe(ctx); err != nil {
		return s, err
	}
	g.helpLetters(ctx)
	s.Republished, s.Failed, err = g.republish(ctx, which)
	keeping, cancel := context.WithTimeout(ctx, keepTime)
	g.keepWaiting(keeping) // even if publishing failed: then claims wait longest
	cancel()
	if err != nil {
		return s, unavailable(err, "the outbox could not be swept")
	}
	var unchecked error // a failed check does not stop deletions
	switch {
	case g.rules.byKey:
		unchecked = g.closeDue(ctx, func(_ scope, v checkResult) {
			v.wait()
			g.overs.Lock()
			defer g.overs.Unlock()
			if s.Triggered == "" {
				s.Triggered, s.Published = v.message()
			}
		})
	case g.windowed():
		var v Verdict
		v, unchecked = g.checkWindow(ctx)
		s.Triggered, s.Published = v.Triggered, v.Published
	}
	defer func() { // what is missing is known once the windows were looked at
		sent, overdue := g.mindAlerts(ctx)
		if waitFor(ctx, sent); err == nil && overdue != nil {
			err = unavailable(overdue, "expectations could not be evaluated")
		}
	}()
	if unlooked := g.lookForLeftovers(ctx); unlooked != nil { // the next sweep looks again, and nothing else depends on it
		unchecked = errFirst(unchecked, unavailable(unlooked, "events of former rules could not be looked for"))
	}
	upTo, ok := g.time.Settled()
	if !ok {
		return s, unchecked
	}
	if err = g.discardLapsed(ctx, &s); err != nil {
		return s, unavailable(err, "the window could not be swept")
	}
	if g.doubtful.Load() {
		return s, unchecked
	}
	if s.Purged, err = g.store.Purge(ctx, whole(upTo), sweepLimit); err != nil {
		return s, unavailable(err, "expired data could not be deleted")
	}
	return s, unchecked
}

// discardLapsed deletes the pointers to events that no window has any more, and tells of those
// that were in no message. The clock must be settled.
func (g *Gate) discardLapsed(ctx context.Context, s *Swept) (err error) {
	lapses, left := make([]lapse, len(g.endpoints)+1), sweepLimit // the last one is of dead letters
	for i, ep := range g.endpoints {
		if g.rules.byKey {
			break
		}
		if err = g.discardOver(ctx, ep, &lapses[i], &left); err != nil {
			break
		}
	}
	if err == nil {
		err = g.discardLeftovers(ctx, lapses, &left)
	}
	if err == nil && g.rules.byKey {
		err = g.discardWaitingOver(ctx, s)
	}
	g.tellExpired(ctx, lapses)
	for _, l := range lapses {
		s.Expired += l.count
	}
	return err
}

// discardOver deletes the endpoint's pointers to events that have left the window. The
// clock must be settled: a clock that is ahead would delete events that still count
// (docs/decisions/010). It adds those that were in no message to l, also if it fails, and
// deletes about as many as are left.
func (g *Gate) discardOver(ctx context.Context, ep store.Endpoint, l *lapse, left *int) error {
	const page = 5 * sweepPage
	upTo := g.since().Add(-clock.Skew)
	// No correct clock can have shown a time after latest within the period. An event with
	// a later stamp was therefore received before the period began, by a clock that was far
	// ahead, and has left the window in truth.
	latest, ok := g.time.Latest(g.svc.Trigger.Period() + clock.Skew)
	beyond := whole(latest.Add(clock.Skew))
	for _, list := range []func() ([]store.Pointer, error){
		func() ([]store.Pointer, error) { return g.store.Stale(ctx, ep, upTo, page) },
		func() ([]store.Pointer, error) {
			if !ok {
				return nil, nil
			}
			ahead, err := g.store.Pending(ctx, ep, beyond, page)
			if len(ahead) > 0 {
				g.log.WarnContext(ctx, "events that a clock far ahead had stamped have left the window",
					"eventKey", ep.Key, "events", len(ahead), "receivedAt", ahead[0].ReceivedAt.Format(time.RFC3339))
			}
			return ahead, err
		},
	} {
		for *left > 0 {
			over, err := list()
			if err == nil && len(over) > 0 {
				// What a claim in parts takes does not leave its window, however long it takes.
				if parts, err := g.store.Gatherings(ctx, g.svc.ServiceName, 1); err != nil || len(parts) > 0 {
					return err
				}
				var lost []store.Pointer
				if lost, err = g.withoutMessage(ctx, "", over); err != nil {
					return err
				}
				var n int
				n, err = g.store.Discard(ctx, ep, over)
				l.add(min(n, len(lost)), lost) // another sweep may have deleted, and counted, the others
				if *left -= n; n > 0 {
					g.changed()
				}
			}
			if err != nil {
				return err
			}
			if len(over) < page {
				break
			}
		}
	}
	return nil
}
