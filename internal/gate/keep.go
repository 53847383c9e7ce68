package gate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/headgate/headgate/internal/store"
)

const (
	// keepEvery is how often the events of claims that wait are looked after, and
	// keepAgain how soon after that failed.
	keepEvery, keepAgain = time.Hour, 5 * time.Minute
	// keepAfter is how long a claim waits before its events are kept for it. They
	// live a day longer than the message would be kept.
	keepAfter = 12 * time.Hour
	// keepFor is how much longer than a message published now.
	keepFor = 3 * 24 * time.Hour
	// warnAfter is how long a claim waits before somebody should know. It is days
	// before its events would expire.
	warnAfter = 24 * time.Hour
	// keepTime bounds how long a sweep keeps events. The next sweep goes on from there.
	keepTime = 2 * time.Minute
)

// round is one pass over the claims that wait. It may take several calls.
type round struct {
	upTo *store.Cursor // the claim that was looked after last; nil: none
	err  error         // the first of the round, but rather one of events that still exist
}

// keepWaiting postpones the expiry of the events that unpublished claims need, once
// an hour: a store deletes them nine days after they came, whatever waits for them. If
// ctx ends first, the next call goes on with the next claim.
func (g *Gate) keepWaiting(ctx context.Context) {
	if !g.keeping.TryLock() {
		return // another call does it
	}
	defer g.keeping.Unlock()
	if !g.turn(&g.kept, g.keepNext) {
		return
	}
	g.keepNext = keepEvery
	n, oldest, err := g.store.Backlog(ctx, g.svc.ServiceName)
	now := g.clock()
	if err == nil && (n == 0 || now.Sub(oldest) < keepAfter) {
		g.round = round{}
		g.unkept.Store(false)
		g.doubtful.Store(false)
		return
	}
	if err == nil {
		var more bool
		if more, err = g.keepAll(ctx, now); more {
			g.keepNext = 0
			g.doubtful.Store(true)
			return
		}
	}
	g.unkept.Store(err != nil)
	doubtful := err != nil && !errors.Is(err, store.ErrNotFound) // what is gone need not be kept
	if g.doubtful.Store(doubtful); doubtful {
		g.keepNext = keepAgain
	}
	switch {
	case err != nil && oldest.IsZero():
		g.log.WarnContext(ctx, "it is not known which claims wait: their events may expire", "error", err)
	case err != nil:
		g.log.WarnContext(ctx, "the events of claims that wait could not be kept, and expire", "waiting", n,
			"oldest", oldest.Format(time.RFC3339), "expires", g.losesAt(oldest).Format(time.RFC3339), "error", err)
	case now.Sub(oldest) >= warnAfter:
		g.log.WarnContext(ctx, "messages are not published for long: see that the topic exists and takes them; their events are kept meanwhile",
			"waiting", n, "oldest", oldest.Format(time.RFC3339), "topic", g.svc.TargetPubSub.Topic)
	}
}

// keepAll keeps the events of every claim that has waited for keepAfter. The oldest
// claims come first, because their events expire first. A claim that fails, or takes
// all the time there is, does not stop the others from being kept. more reports that
// claims are left for the next call, which goes on with g.round.
func (g *Gate) keepAll(ctx context.Context, now time.Time) (more bool, err error) {
	// The same instant for a day: a claim that was kept until then is known by its
	// first event.
	until := whole(g.time.After(g.retention() + keepFor)).Truncate(24 * time.Hour).Add(24 * time.Hour)
	page := store.Page{State: store.Claimed, OldestFirst: true, Limit: sweepPage}
	for began := g.round.upTo; ; {
		page.After = g.round.upTo
		infos, err := g.store.Claims(ctx, g.svc.ServiceName, page)
		if err != nil && ctx.Err() != nil && g.round.upTo != began {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		for _, info := range infos {
			if now.Sub(info.Date) < keepAfter {
				infos = nil // the others are younger
				break
			}
			err := g.keepClaim(ctx, info, until)
			if err != nil && ctx.Err() != nil && g.round.upTo != began {
				return true, nil // it failed for want of time: the next call begins with it
			}
			if err != nil && (g.round.err == nil || errors.Is(g.round.err, store.ErrNotFound)) {
				g.round.err = fmt.Errorf("message %s: %w", info.EventID, err)
			}
			g.round.upTo = &store.Cursor{Date: info.Date, ID: info.ID}
			if ctx.Err() != nil || g.closing.Load() {
				return true, nil
			}
		}
		if len(infos) < sweepPage {
			err := g.round.err
			g.round = round{}
			return false, err
		}
	}
}

// keepClaim keeps the events of one claim.
func (g *Gate) keepClaim(ctx context.Context, info store.ClaimInfo, until time.Time) error {
	c, err := g.store.ClaimByEventID(ctx, g.svc.ServiceName, info.EventID)
	if err != nil || c.State != store.Claimed {
		return err
	}
	var members []store.Member
	for _, l := range c.Lists {
		members = append(members, l.Included...)
	}
	return g.store.Keep(ctx, g.svc.ServiceName, members, until)
}

// losesAt is when the first events of a claim of that date expire, unless they are kept.
func (g *Gate) losesAt(date time.Time) time.Time { return date.Add(g.retention() + 24*time.Hour) }

// warning says what somebody should do about claims that wait; "": nothing.
func (g *Gate) warning(backlog int, oldest time.Time) string {
	waits := g.clock().Sub(oldest)
	switch {
	case backlog == 0 || waits < warnAfter:
		return ""
	case g.unkept.Load():
		return fmt.Sprintf("%d messages are not published, the oldest for %d hours, and their events could not be kept: the first expire at %s. See that the topic exists and takes messages, then POST /sweep",
			backlog, int(waits.Hours()), g.losesAt(oldest).Format(time.RFC3339))
	}
	return fmt.Sprintf("%d messages are not published, the oldest for %d hours: see that the topic exists and takes messages, then POST /sweep",
		backlog, int(waits.Hours()))
}
