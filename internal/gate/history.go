package gate

import (
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
)

// Waiting lists the events that wait at one endpoint.
type Waiting struct {
	EventKey string
	Events   []event.Ref // oldest first
	Keys     []string    // the correlation key of each, where events wait by key; else nil
	More     bool        // more events wait than were read
}

// Pending returns the events in the window, at most limit of each endpoint: of one
// correlation key, or (key nil) of all.
func (g *Gate) Pending(ctx context.Context, key *string, limit int) ([]Waiting, error) {
	if err := g.checkKey(key); err != nil {
		return nil, err
	}
	if g.rules.byKey {
		return g.pendingByKey(ctx, key, limit)
	}
	out, since := make([]Waiting, len(g.endpoints)), g.since()
	eg, ctx := errgroup.WithContext(ctx)
	for i, r := range g.rules.shape.Rules {
		eg.Go(func() error {
			refs, err := g.store.Pending(ctx, g.endpoints[i], since, limit+1)
			more := len(refs) > limit
			refs, _ = unmarked(refs)
			out[i] = Waiting{EventKey: r.Key, Events: refs[:min(len(refs), limit)], More: more}
			return err
		})
	}
	if err := eg.Wait(); err != nil {
		return nil, unavailable(err, "the window could not be read")
	}
	return out, nil
}

// Step counts what happened in one step of a span.
type Step struct {
	At       time.Time // its start
	Events   int
	Messages int
}

// Lag holds the two times between which a message was under way: its first event and its
// publication.
type Lag struct {
	EventID     string
	FirstEvent  time.Time
	PublishedAt time.Time
}

// Span is a time up to now that History looks at, in steps.
type Span struct {
	Long, Step time.Duration
	most       int // messages that are counted
}

// The spans of History. The hour is asked for again and again while events come.
var (
	Hour = Span{time.Hour, time.Minute, 200}
	Day  = Span{24 * time.Hour, 30 * time.Minute, 1000}
	Week = Span{7 * 24 * time.Hour, 3 * time.Hour, 1000}
)

// History summarises the events and messages of a span.
type History struct {
	Since   time.Time // its start
	Steps   []Step    // those with events or messages, in order
	Lags    []Lag     // of the latest published messages, in order
	Partial bool      // there was more than was read
}

const (
	historyMessages = 20   // whose events are read
	historyPage     = 200  // messages that are counted at once
	historyEvents   = 1000 // of each endpoint
)

// counting collects the steps of a History.
type counting struct {
	History
	span  Span
	steps map[time.Time]*Step
}

// step returns the step of the instant, or one that is not kept if the span had not begun.
func (c *counting) step(at time.Time) *Step {
	if at.Before(c.Since) {
		return new(Step)
	}
	at = at.Truncate(c.span.Step)
	if c.steps[at] == nil {
		c.steps[at] = &Step{At: at}
	}
	return c.steps[at]
}

func (c *counting) add(refs []event.Ref) {
	for _, ref := range refs {
		c.step(ref.ReceivedAt).Events++
	}
}

// History counts the events of a span: those that wait, at the time of their receipt, and
// those of messages. It reads the events of the latest messages. The events of older ones
// count at the time of their message. It reads a bounded number of documents, and sets
// Partial if there are more.
func (g *Gate) History(ctx context.Context, span Span) (History, error) {
	c := &counting{span: span, steps: make(map[time.Time]*Step)}
	c.Since = g.clock().Add(-span.Long).Truncate(span.Step)
	waiting, err := g.Pending(ctx, nil, historyEvents)
	if err != nil {
		return c.History, err
	}
	for _, w := range waiting {
		c.add(w.Events)
		c.Partial = c.Partial || w.More
	}
	page := store.Page{Limit: historyMessages}
	for listed := 0; ; {
		infos, err := g.Messages(ctx, page)
		if err != nil {
			return c.History, err
		}
		over, err := g.countMessages(ctx, c, infos, listed == 0)
		if err != nil {
			return c.History, err
		}
		listed += len(infos)
		if over || len(infos) < page.Limit {
			break
		}
		if listed >= span.most {
			c.Partial = true
			break
		}
		last := infos[len(infos)-1]
		page.After, page.Limit = &store.Cursor{Date: last.Date, ID: last.ID}, historyPage
	}
	for _, s := range c.steps {
		c.Steps = append(c.Steps, *s)
	}
	slices.SortFunc(c.Steps, func(a, b Step) int { return a.At.Compare(b.At) })
	return c.History, nil
}

// countMessages counts messages, which are in order from the newest, and reports whether it
// came to one before the span. closely: it reads their events.
func (g *Gate) countMessages(ctx context.Context, c *counting, infos []store.ClaimInfo, closely bool) (over bool, err error) {
	for _, info := range slices.Backward(infos) {
		if info.Date.Before(c.Since) {
			over = true
			continue
		}
		if info.State != store.Dropped {
			c.step(info.Date).Messages++
		}
		if !closely {
			c.step(info.Date).Events += info.NumberOfEvents
			continue
		}
		claim, err := g.claimOf(ctx, info.EventID)
		if fault.CodeOf(err) == fault.NotFound {
			continue // it expired just now
		}
		if err != nil {
			return over, err
		}
		var first time.Time
		for _, l := range claim.Lists {
			c.add(l.Included)
			c.Partial = c.Partial || l.Count > len(l.Included)
			if first.IsZero() || !l.First.IsZero() && l.First.Before(first) {
				first = l.First
			}
		}
		if !claim.PublishedAt.IsZero() && !first.IsZero() {
			c.Lags = append(c.Lags, Lag{claim.EventID, first, claim.PublishedAt})
		}
	}
	return over, nil
}
