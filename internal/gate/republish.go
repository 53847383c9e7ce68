package gate

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/headgate/headgate/internal/platform/clock"
	"github.com/headgate/headgate/internal/platform/trace"
	"github.com/headgate/headgate/internal/store"
)

const (
	// longestRest is the longest back-off of a claim.
	longestRest = 5 * time.Minute
	// maxFailed is the number of failed claims after which a sweep ends. Failed claims stay
	// at the head of the list, and each further page would read all of them again. So do
	// claims whose targets are several, and of which those that wait do not answer.
	maxFailed = 1000
	// helpEvery is the least time between two requests that look for waiting claims.
	helpEvery = 5 * time.Second
	// helpTime bounds the work that a request starts in Help. helpWait bounds the time that
	// its answer waits for this work, counted from the request's beginning. The answer waits
	// only where the process may get no processor after it.
	helpTime, helpWait = 15 * time.Second, 2 * time.Second
)

// which selects the claims to publish.
type which int

const (
	dueClaims which = iota // claims whose back-off is over, or whose publisher's lease has expired
	allClaims              // these, and the claims that still back off
)

// nextAttempt returns the time of the next attempt for a claim whose publication failed.
// The delay doubles with each attempt, up to longestRest.
func nextAttempt(now time.Time, attempts int) time.Time {
	return now.Add(min(5*time.Second<<min(attempts, 10), longestRest))
}

// free reports whether a sweep may publish the claim. A claim without LastError is leased
// by a publisher until NextAttempt, and must be left alone until then. One with LastError
// has failed and only backs off.
func (w which) free(c store.ClaimInfo, now time.Time) bool {
	if c.LastError == "" {
		return clock.Over(c.NextAttempt, now, publishLease(c.Attempts))
	}
	return w == allClaims || clock.Over(c.NextAttempt, now, longestRest)
}

// Help publishes waiting claims that are due, as a sweep does. It is for deployments that
// have no scheduler: every request calls it, and one request in five seconds does the work,
// beside its own. wait returns when the work is done or has taken helpWait. Where the
// process runs between requests, it returns at once.
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
		if err == nil {
			g.helpLetters(ctx)
			err = g.closeDue(ctx, func(_ scope, v checkResult) { v.wait() })
		}
		sent, overdue := g.mindAlerts(ctx)
		err = errFirst(err, overdue)
		if err != nil {
			g.log.Warn("waiting claims and windows could not be looked at; the next request tries again", "error", err)
		}
		waitFor(ctx, sent)
		if g.closing.Load() {
			return
		}
		keeping, stop := context.WithTimeout(context.Background(), helpTime) // publishing may have used up ctx
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

// republish publishes waiting claims. It stops when the bus refuses one, because the bus
// would refuse the others too. A later call retries them.
func (g *Gate) republish(ctx context.Context, which which) (published, failed int, err error) {
	// Published claims leave the list. The others stay at its head: each page reads them
	// again, and stay tells which of them to skip.
	stay := make(map[string]bool)
	if which == allClaims { // an operator knows that the topic is back
		g.deadAway.Store(int64(never))
	}
	for {
		now := g.clock()
		upTo, beyond := now, now.Add(g.longestRest()+clock.Skew)
		if which == allClaims {
			upTo = now.Add(longestRest + clock.Skew)
		}
		limit := sweepPage + len(stay)
		waiting, err := g.store.Due(ctx, g.svc.ServiceName, upTo, beyond, limit)
		if err != nil {
			return published, failed, err
		}
		more := len(waiting) >= limit
		waiting = slices.DeleteFunc(waiting, func(c store.ClaimInfo) bool {
			leave := stay[c.ID] || !g.free(c, now, which)
			if leave {
				stay[c.ID] = true
			}
			return leave
		})
		ok, bad, away, err := g.republishPage(ctx, waiting, stay, which)
		published, failed = published+ok, failed+bad
		if err != nil || away || !more || failed > maxFailed || len(g.receivers) > 0 && len(stay) > maxFailed || g.closing.Load() {
			return published, failed, err
		}
	}
}

// publishDue publishes a leased claim, to those of its targets that are due. It reports
// whether every target has the message now: without an error, one that was not due, or that
// did not answer another claim a moment ago, may still wait.
func (g *Gate) publishDue(ctx context.Context, c store.Claim, which which) (whole bool, err error) {
	a := attempt{build: buildTime(c.Attempts), carried: true}
	if len(c.Targets) == 0 {
		err := g.publish(ctx, c, a, func() {})
		return err == nil, err
	}
	now := g.clock()
	return g.deliver(ctx, delivery{c: c, choose: func(t store.Target) bool { return g.due(t, now, which) }}, a, func() {})
}

// republishPage publishes the claims, except those that another instance leases first. It
// adds the claims that it did not publish to stay. It reads the members of a few claims at
// a time, because those of a whole page could take gigabytes. away reports that the bus
// refused a message.
func (g *Gate) republishPage(ctx context.Context, claims []store.ClaimInfo, stay map[string]bool, which which) (published, failed int, away bool, err error) {
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
			if isDeadLetter(c) && !g.elapsed(&g.deadAway, busRest) {
				return nil // another one was refused a moment ago, and messages must not wait for it
			}
			err := g.store.Lease(ctx, g.svc.ServiceName, c.ID, c.Attempts, g.clock().Add(leaseOf(c, c.Attempts+1)))
			if errors.Is(err, store.ErrConflict) {
				return nil // another instance has it
			}
			if err != nil {
				return err
			}
			c.Attempts++
			if c.State == store.Gathering { // it is published when it is whole
				g.gathers.start(g, c.ID, nil, trace.Span{})
				return nil
			}
			whole := false
			claim, err := g.store.ClaimByEventID(ctx, g.svc.ServiceName, c.EventID)
			if err == nil {
				claim.Attempts = c.Attempts
				whole, err = g.publishDue(ctx, claim, which)
			} // else the lease expires, and a later call retries
			if err != nil {
				bad.Add(1)
				refused.Store(refused.Load() || errors.Is(err, errBus))
				g.log.ErrorContext(ctx, "a waiting claim could not be published", slices.Concat([]any{"eventID", c.EventID, "claimID", c.ID}, g.failedAt(c, err),
					[]any{"attempts", c.Attempts, "waiting", g.clock().Sub(c.Date).Round(time.Second).String(), "error", err}, nextStep(err))...)
				return nil
			}
			if done[i] = whole; whole {
				ok.Add(1)
			} else {
				bad.Add(1)
			}
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
