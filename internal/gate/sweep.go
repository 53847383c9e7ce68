package gate

import (
	"context"
	"time"

	"github.com/headgate/headgate/internal/platform/clock"
	"github.com/headgate/headgate/internal/store"
)

// Swept counts what a sweep did.
type Swept struct {
	Republished int    // claims published that had been left behind
	Failed      int    // claims that still could not be published
	Expired     int    // pointers deleted that had left the window
	Purged      int    // events and messages deleted whose time was up
	Triggered   string // eventID of a window found complete, or ""
	Published   bool   // with Triggered: the bus has the message, else it is tried again
}

const (
	sweepPage      = 100 // claims or pointers at a time
	sweepPublishes = 8   // at once
	sweepLimit     = 20_000
)

// Sweep makes up for whatever an instance left undone when it died or could not
// reach the bus: it publishes claims whose attempt is due, checks the window, keeps
// the events of claims that wait, and deletes what is over. It may run anywhere, at
// any time, more than once.
func (g *Gate) Sweep(ctx context.Context) (Swept, error) { return g.sweep(ctx, dueClaims) }

// SweepNow is a Sweep that publishes all claims that wait, whatever their back-off:
// somebody asks, who knows that the bus is back. One that is being published by
// another instance is left to that.
func (g *Gate) SweepNow(ctx context.Context) (Swept, error) { return g.sweep(ctx, allClaims) }

func (g *Gate) sweep(ctx context.Context, which which) (Swept, error) {
	var s Swept
	if !g.enter() {
		return s, errClosing
	}
	defer g.inFlight.Done()
	if err := g.observe(ctx); err != nil {
		return s, err
	}
	var err error
	s.Republished, s.Failed, err = g.republish(ctx, which)
	keeping, cancel := context.WithTimeout(ctx, keepTime)
	g.keepWaiting(keeping) // above all if publishing failed
	cancel()
	if err != nil {
		return s, unavailable(err, "the outbox could not be swept")
	}
	var unchecked error // what is over is deleted all the same
	if g.windowed() {
		var v Verdict
		v, unchecked = g.check(ctx)
		s.Triggered, s.Published = v.Triggered, v.Published
	}
	upTo, ok := g.time.Settled()
	if !ok {
		return s, unchecked
	}
	for _, ep := range g.endpoints {
		if err := g.discardOver(ctx, ep, &s); err != nil {
			return s, unavailable(err, "the window could not be swept")
		}
	}
	if g.doubtful.Load() {
		return s, unchecked
	}
	if s.Purged, err = g.store.Purge(ctx, whole(upTo), sweepLimit); err != nil {
		return s, unavailable(err, "expired data could not be deleted")
	}
	return s, unchecked
}

// discardOver deletes the endpoint's pointers to events that are in the window no
// more, once the clock is settled.
func (g *Gate) discardOver(ctx context.Context, ep store.Endpoint, s *Swept) error {
	const page = 5 * sweepPage
	upTo := g.since().Add(-clock.Skew)
	// An event with a later stamp than any clock can have shown within the period was
	// stamped before the period began, by a clock that was ahead. Its time is over.
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
				g.log.WarnContext(ctx, "events have left the window that a clock far ahead had stamped",
					"eventKey", ep.Key, "events", len(ahead), "receivedAt", ahead[0].ReceivedAt.Format(time.RFC3339))
			}
			return ahead, err
		},
	} {
		for s.Expired < sweepLimit {
			over, err := list()
			if err == nil && len(over) > 0 {
				var n int
				n, err = g.store.Discard(ctx, ep, over)
				if s.Expired += n; n > 0 {
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
