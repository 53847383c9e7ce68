package gate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/headgate/headgate/internal/store"
)

const (
	// keepEvery is the time between two passes over waiting claims; keepAgain is the time
	// after a pass that failed.
	keepEvery, keepAgain = time.Hour, 5 * time.Minute
	// keepAfter is the time that a claim waits before the expiry of its events is postponed.
	// It is far less than the lifetime of an event, which is longer than a message's
	// retention and a day.
	keepAfter = 12 * time.Hour
	// keepFor is the time by which kept events outlive a message published now.
	keepFor = 3 * 24 * time.Hour
	// warnAfter is the time that a claim waits before an operator is warned. That is days
	// before its events would expire.
	warnAfter = 24 * time.Hour
	// keepTime bounds a sweep's pass over waiting claims. The next sweep continues the pass.
	keepTime = 2 * time.Minute
)

// round is one pass over the waiting claims. It may take several calls.
type round struct {
	upTo *store.Cursor // the last claim whose events were kept; nil: none yet
	// err is the first error of the round. An error about events that still exist replaces
	// one about events that are gone, because only the former can be retried.
	err error
}

// keepWaiting postpones the expiry of the events that unpublished claims need, once an
// hour. A message is built from its events, and the store deletes these when they expire,
// even if a claim still needs them. An outage of the bus that is longer than the retention
// would lose the messages. If ctx ends first, the next call continues with the next claim.
//
// Until a pass has succeeded, or has only failed for events that are gone, doubtful is set
// and Purge does not run.
func (g *Gate) keepWaiting(ctx context.Context) {
	if !g.keeping.TryLock() {
		return // another call is on it
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
	doubtful := err != nil && !errors.Is(err, store.ErrNotFound) // events that are gone cannot be kept any more
	if g.doubtful.Store(doubtful); doubtful {
		g.keepNext = keepAgain
	}
	switch {
	case err != nil && oldest.IsZero():
		g.log.WarnContext(ctx, "the waiting claims could not be listed: their events may expire", "error", err)
	case err != nil:
		g.log.WarnContext(ctx, "the expiry of events that waiting claims need could not be postponed", "waiting", n,
			"oldest", oldest.Format(time.RFC3339), "expires", g.losesAt(oldest).Format(time.RFC3339), "error", err)
	case now.Sub(oldest) >= warnAfter:
		g.log.WarnContext(ctx, "messages have waited long for publication: check that the topic or the targets exist and take messages; their events are kept meanwhile",
			append([]any{"waiting", n, "oldest", oldest.Format(time.RFC3339)}, g.oldestWaitsFor(ctx)...)...)
	}
}

// oldestWaitsFor says, as attributes of a line of the log, what the oldest claim waits for.
func (g *Gate) oldestWaitsFor(ctx context.Context) []any {
	oldest, err := g.store.Claims(ctx, g.svc.ServiceName, store.Page{State: store.Claimed, OldestFirst: true, Limit: 1})
	if err != nil || len(oldest) == 0 {
		return nil
	}
	return g.failedAt(oldest[0], nil)
}

// keepAll keeps the events of every claim that has waited for keepAfter. The oldest claims
// come first, because their events expire first. A claim that fails, or that uses up all
// the time, does not stop the others from being kept: the next call continues behind it.
// more reports that claims are left for that call; g.round has the position.
func (g *Gate) keepAll(ctx context.Context, now time.Time) (more bool, err error) {
	// until stays the same for a day. A claim that an earlier pass kept until the same
	// instant is then recognised by its first event, at the cost of one read.
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
				infos = nil // the others are younger still
				break
			}
			err := g.keepClaim(ctx, info, until)
			if err != nil && ctx.Err() != nil && g.round.upTo != began {
				return true, nil // only its time ran out: the next call begins with this claim
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

// keepClaim postpones the expiry of one claim's events, unless it was published meanwhile.
func (g *Gate) keepClaim(ctx context.Context, info store.ClaimInfo, until time.Time) error {
	c, err := g.store.ClaimByEventID(ctx, g.svc.ServiceName, info.EventID)
	if err != nil || c.State != store.Claimed {
		return err
	}
	if c.Parts > 0 {
		return g.keepParts(ctx, c, until)
	}
	var members []store.Member
	for _, l := range c.Lists {
		members = append(members, l.Included...)
	}
	return g.store.Keep(ctx, g.svc.ServiceName, members, until)
}

// keepParts is keepClaim for a claim in parts. The parts stay as long as the claim does.
func (g *Gate) keepParts(ctx context.Context, c store.Claim, until time.Time) error {
	in, err := g.includedIn(c)
	if err != nil {
		return err
	}
	for i := range c.Lists {
		for refs, err := range in.refs(ctx, i) {
			if err == nil {
				err = g.store.Keep(ctx, g.svc.ServiceName, refs, until)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// losesAt returns the time at which the first events of a claim of that date expire, unless
// they are kept.
func (g *Gate) losesAt(date time.Time) time.Time { return date.Add(g.retention() + 24*time.Hour) }

// warning tells an operator what to do about claims that wait, or returns "".
func (g *Gate) warning(backlog int, oldest time.Time) string {
	waits := g.clock().Sub(oldest)
	if backlog == 0 || waits < warnAfter {
		return ""
	}
	waiting := fmt.Sprintf("%d messages are not published, the oldest for %d hours", backlog, int(waits.Hours()))
	if backlog == 1 {
		waiting = fmt.Sprintf("1 message is not published for %d hours", int(waits.Hours()))
	}
	check := "check that the topic exists and takes messages, then POST /sweep"
	if g.sole == nil {
		check = "check the targets that lastError of GET /messages?state=claimed names, then POST /sweep"
	}
	if g.unkept.Load() {
		return fmt.Sprintf("%s, and the events could not be kept: the first expire at %s; %s", waiting, g.losesAt(oldest).Format(time.RFC3339), check)
	}
	return waiting + ": " + check
}
