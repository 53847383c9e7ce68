package gate

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/headgate/headgate/internal/store"
)

// Swept counts what a sweep did.
type Swept struct {
	Republished int    // claims published that had been left behind
	Failed      int    // claims that still could not be published
	Expired     int    // pointers deleted that had left the window
	Purged      int    // events and messages deleted whose time was up
	Triggered   string // eventID of a window found complete, or ""
}

const (
	sweepPage      = 100 // claims or pointers at a time
	sweepPublishes = 8   // at once
	sweepLimit     = 20_000
)

// Sweep makes up for whatever an instance left undone when it died or could not
// reach the bus: it publishes claims whose attempt is due, checks the window,
// and deletes what is over. It may run anywhere, at any time, more than once.
func (g *Gate) Sweep(ctx context.Context) (Swept, error) {
	var s Swept
	var err error
	if s.Republished, s.Failed, err = g.republish(ctx); err != nil {
		return s, unavailable(err, "the outbox could not be swept")
	}
	var unchecked error // what is over is deleted all the same
	if g.windowed() {
		var v Verdict
		v, unchecked = g.Check(ctx)
		s.Triggered = v.Triggered
	}
	upTo := g.since()
	for _, ep := range g.endpoints {
		for s.Expired < sweepLimit {
			stale, err := g.store.Stale(ctx, ep, upTo, 5*sweepPage)
			if err == nil && len(stale) > 0 {
				var n int
				n, err = g.store.Discard(ctx, ep, stale)
				if s.Expired += n; n > 0 {
					g.changed()
				}
			}
			if err != nil {
				return s, unavailable(err, "the window could not be swept")
			}
			if len(stale) < 5*sweepPage {
				break
			}
		}
	}
	if s.Purged, err = g.store.Purge(ctx, g.clock(), sweepLimit); err != nil {
		return s, unavailable(err, "expired data could not be deleted")
	}
	return s, unchecked
}

// republish publishes the claims that are due. It stops at the first that the
// bus refuses: the others would fare no better, and their turn comes again.
func (g *Gate) republish(ctx context.Context) (published, failed int, err error) {
	for {
		due, err := g.store.Due(ctx, g.svc.ServiceName, g.clock(), sweepPage)
		if err != nil || len(due) == 0 {
			return published, failed, err
		}
		var ok, bad atomic.Int64
		var away atomic.Bool
		var eg errgroup.Group
		eg.SetLimit(sweepPublishes)
		for _, c := range due {
			eg.Go(func() error {
				if away.Load() || ctx.Err() != nil {
					return ctx.Err()
				}
				err := g.store.Lease(ctx, g.svc.ServiceName, c.ID, c.Attempts, g.clock().Add(publishLease(c.Attempts+1)))
				if errors.Is(err, store.ErrConflict) {
					return nil // another sweep has it
				}
				if err != nil {
					return err
				}
				c.Attempts++
				if err := g.publish(ctx, c, buildTime(c.Attempts), func() {}); err != nil {
					bad.Add(1)
					away.Store(away.Load() || errors.Is(err, errBus))
					g.log.ErrorContext(ctx, "a claim is still not published", "eventID", c.EventID, "claimID", c.ID,
						"attempts", c.Attempts, "waiting", g.clock().Sub(c.Date).Round(time.Second).String(), "error", err)
					return nil
				}
				ok.Add(1)
				return nil
			})
		}
		err = eg.Wait()
		published, failed = published+int(ok.Load()), failed+int(bad.Load())
		if err != nil || away.Load() || len(due) < sweepPage {
			return published, failed, err
		}
	}
}
