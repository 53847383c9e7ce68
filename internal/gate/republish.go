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
func (w which) free(c store.ClaimInfo, now time.Time) bool {
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
	if !g.HelpDue() || !g.turn(&g.helped, helpEvery) || !g.enter() {
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		defer g.inFlight.Done()
		defer close(done)
		ctx, cancel := context.WithTimeout(context.Background(), helpTime)
		defer cancel()
		err := g.observe(ctx)
		if err == nil {
			_, _, err = g.republish(ctx, dueClaims)
		}
		if err != nil {
			g.log.Warn("claims that wait could not be looked for: the next request will", "error", err)
		}
		if g.closing.Load() {
			return
		}
		keeping, stop := context.WithTimeout(context.Background(), helpTime) // publishing may have taken all of ctx
		defer stop()
		g.keepWaiting(keeping)
	}()
	if g.backgroundCPU {
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

// republish publishes claims that wait. It stops when the bus refuses one, because it
// would refuse the others too. A later call retries them.
func (g *Gate) republish(ctx context.Context, which which) (published, failed int, err error) {
	// Claims that are published leave the list. Those that stay at its head are read
	// again with the next page, and left out.
	stay := make(map[string]bool)
	for {
		now := g.clock()
		upTo, beyond := now, now.Add(longestRest+clock.Skew)
		if which == allClaims {
			upTo = beyond
		}
		limit := sweepPage + len(stay)
		waiting, err := g.store.Due(ctx, g.svc.ServiceName, upTo, beyond, limit)
		if err != nil {
			return published, failed, err
		}
		more := len(waiting) >= limit
		waiting = slices.DeleteFunc(waiting, func(c store.ClaimInfo) bool {
			leave := stay[c.ID] || !which.free(c, now)
			if leave {
				stay[c.ID] = true
			}
			return leave
		})
		ok, bad, away, err := g.republishPage(ctx, waiting, stay)
		published, failed = published+ok, failed+bad
		if err != nil || away || !more || failed > maxFailed || g.closing.Load() {
			return published, failed, err
		}
	}
}

// republishPage publishes the claims, unless another instance does. It adds those that
// it did not publish to stay. It reads the events' names of a few claims at a time: those
// of a page may take gigabytes.
func (g *Gate) republishPage(ctx context.Context, claims []store.ClaimInfo, stay map[string]bool) (published, failed int, away bool, err error) {
	var ok, bad atomic.Int64
	done := make([]bool, len(claims))
	var refused atomic.Bool
	var eg errgroup.Group
	eg.SetLimit(sweepPublishes)
	for i, c := range claims {
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
			claim, err := g.store.ClaimByEventID(ctx, g.svc.ServiceName, c.EventID)
			if err == nil {
				claim.Attempts = c.Attempts
				err = g.publish(ctx, claim, buildTime(c.Attempts), func() {})
			} // else the lease expires, and a later call retries
			if err != nil {
				bad.Add(1)
				refused.Store(refused.Load() || errors.Is(err, errBus))
				g.log.ErrorContext(ctx, "a claim is still not published", "eventID", c.EventID, "claimID", c.ID,
					"attempts", c.Attempts, "waiting", g.clock().Sub(c.Date).Round(time.Second).String(), "error", err)
				return nil
			}
			ok.Add(1)
			done[i] = true
			return nil
		})
	}
	err = eg.Wait()
	for i, c := range claims {
		if !done[i] {
			stay[c.ID] = true
		}
	}
	return int(ok.Load()), int(bad.Load()), refused.Load(), err
}
