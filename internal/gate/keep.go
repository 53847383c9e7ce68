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
)

// keepWaiting postpones the expiry of the events that unpublished claims need, once
// an hour: a store deletes them nine days after they came, whatever waits for them.
func (g *Gate) keepWaiting(ctx context.Context) {
	every := keepEvery
	if g.doubtful.Load() {
		every = keepAgain
	}
	if !g.turn(&g.kept, every) {
		return
	}
	n, oldest, err := g.store.Backlog(ctx, g.svc.ServiceName)
	now := g.clock()
	if err == nil && (n == 0 || now.Sub(oldest) < keepAfter) {
		g.unkept.Store(false)
		g.doubtful.Store(false)
		return
	}
	if err == nil {
		err = g.keepAll(ctx, now)
	}
	g.unkept.Store(err != nil)
	g.doubtful.Store(err != nil && !errors.Is(err, store.ErrNotFound)) // what is gone need not be kept
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

// keepAll keeps the events of every claim that has waited for keepAfter. An error does
// not keep it from the others. Of several it returns the first, but rather one of a
// claim that may be kept yet than one of events that are gone.
func (g *Gate) keepAll(ctx context.Context, now time.Time) (first error) {
	// The same instant for a day: a claim that was kept until then is known by its
	// first event.
	until := whole(g.time.After(g.retention() + keepFor)).Truncate(24 * time.Hour).Add(24 * time.Hour)
	page := store.Page{State: store.Claimed, After: &store.Cursor{Date: now.Add(-keepAfter)}, Limit: sweepPage}
	for {
		infos, err := g.store.Claims(ctx, g.svc.ServiceName, page)
		if err != nil {
			return err
		}
		for _, info := range infos {
			c, err := g.store.ClaimByEventID(ctx, g.svc.ServiceName, info.EventID)
			if err == nil && c.State == store.Claimed {
				var members []store.Member
				for _, l := range c.Lists {
					members = append(members, l.Included...)
				}
				err = g.store.Keep(ctx, g.svc.ServiceName, members, until)
			}
			if err != nil && (first == nil || errors.Is(first, store.ErrNotFound)) {
				first = fmt.Errorf("message %s: %w", info.EventID, err)
			}
			if ctx.Err() != nil {
				return first
			}
		}
		if len(infos) < sweepPage {
			return first
		}
		last := infos[len(infos)-1]
		page.After = &store.Cursor{Date: last.Date, ID: last.ID}
	}
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
