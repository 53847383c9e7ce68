package gate

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/headgate/headgate/internal/platform/clock"
	"github.com/headgate/headgate/internal/store"
)

const (
	// longestRest is the longest back-off of a claim.
	longestRest = 5 * time.Minute
	// maxFailed claims end a sweep of all: those that fail one by one would be read
	// again and again.
	maxFailed = 1000
	// helpEvery is how often requests look for claims that wait.
	helpEvery = 5 * time.Second
	// helpTime bounds what a request sets going, and helpWait what it waits for it,
	// counted from its beginning, where there is no processor after its answer.
	helpTime, helpWait = 15 * time.Second, 2 * time.Second
)

// which claims are published.
type which int

const (
	dueClaims which = iota // those whose back-off, or whose publisher's lease, is over
	allClaims              // and those that back off
)

// nextAttempt is when a claim whose publication failed is tried again.
func nextAttempt(now time.Time, attempts int) time.Time {
	return now.Add(min(5*time.Second<<min(attempts, 10), longestRest))
}

// free reports whether the claim is nobody's.
func (w which) free(c store.Claim, now time.Time) bool {
	if c.LastError == "" {
		return clock.Over(c.NextAttempt, now, publishLease(c.Attempts))
	}
	return w == allClaims || clock.Over(c.NextAttempt, now, longestRest)
}

// Help publishes claims that wait and are due, as a sweep does, for deployments that
// nobody sweeps: every request calls it, and one in five seconds does the work, while
// it is answered. wait returns when that is done, or has taken long enough; where the
// process runs between requests, at once.
func (g *Gate) Help() (wait func()) {
	if !g.HelpDue() || !g.turn(&g.helped, helpEvery) {
		return func() {}
	}
	done := make(chan struct{})
	g.inFlight.Go(func() {
		defer close(done)
		ctx, cancel := context.WithTimeout(context.Background(), helpTime)
		defer cancel()
		err := g.observe(ctx)
		if err == nil {
			_, _, err = g.republish(ctx, dueClaims)
		}
		if err != nil {
			g.log.Warn("claims that wait could not be looked for: the next request will", "error", err)
			return
		}
		g.keepWaiting(ctx)
	})
	if g.runsOn {
		return func() {}
	}
	t := time.NewTimer(helpWait)
	return func() {
		defer t.Stop()
		select {
		case <-done:
		case <-t.C:
		}
	}
}

// HelpDue reports whether Help would do anything now.
func (g *Gate) HelpDue() bool {
	return g.elapsed(&g.helped, helpEvery) && g.elapsed(&g.busAway, busRest)
}

// republish publishes claims that wait. It stops at the first that the bus refuses:
// the others would fare no better, and their turn comes again.
func (g *Gate) republish(ctx context.Context, which which) (published, failed int, err error) {
	seen := make(map[string]bool)
	for {
		now := g.clock()
		upTo, beyond := now, now.Add(longestRest+clock.Skew)
		if which == allClaims {
			upTo = beyond
		}
		limit := sweepPage + len(seen)
		waiting, err := g.store.Due(ctx, g.svc.ServiceName, upTo, beyond, limit)
		if err != nil {
			return published, failed, err
		}
		more := len(waiting) >= limit
		waiting = slices.DeleteFunc(waiting, func(c store.Claim) bool { return seen[c.ID] })
		for _, c := range waiting {
			seen[c.ID] = true
		}
		waiting = slices.DeleteFunc(waiting, func(c store.Claim) bool { return !which.free(c, now) })
		ok, bad, away, err := g.republishPage(ctx, waiting)
		published, failed = published+ok, failed+bad
		if err != nil || away || !more || failed > maxFailed || g.closing.Load() {
			return published, failed, err
		}
	}
}

// republishPage publishes the claims, unless another instance does.
func (g *Gate) republishPage(ctx context.Context, claims []store.Claim) (published, failed int, away bool, err error) {
	var ok, bad atomic.Int64
	var refused atomic.Bool
	var eg errgroup.Group
	eg.SetLimit(sweepPublishes)
	for _, c := range claims {
		eg.Go(func() error {
			if refused.Load() || g.closing.Load() || ctx.Err() != nil {
				return ctx.Err()
			}
			err := g.store.Lease(ctx, g.svc.ServiceName, c.ID, c.Attempts, g.clock().Add(publishLease(c.Attempts+1)))
			if errors.Is(err, store.ErrConflict) {
				return nil // another has it
			}
			if err != nil {
				return err
			}
			c.Attempts++
			if err := g.publish(ctx, c, buildTime(c.Attempts), func() {}); err != nil {
				bad.Add(1)
				refused.Store(refused.Load() || errors.Is(err, errBus))
				g.log.ErrorContext(ctx, "a claim is still not published", "eventID", c.EventID, "claimID", c.ID,
					"attempts", c.Attempts, "waiting", g.clock().Sub(c.Date).Round(time.Second).String(), "error", err)
				return nil
			}
			ok.Add(1)
			return nil
		})
	}
	err = eg.Wait()
	return int(ok.Load()), int(bad.Load()), refused.Load(), err
}
