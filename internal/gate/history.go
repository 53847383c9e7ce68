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

// Minute counts the events that were received in one minute.
type Minute struct {
	At     time.Time
	Events int
}

// Lag holds the two times between which a message was under way: its first event and its
// publication.
type Lag struct {
	EventID     string
	FirstEvent  time.Time
	PublishedAt time.Time
}

// History summarises the events and messages of the last hour.
type History struct {
	Since   time.Time // its start
	Minutes []Minute  // those with events, in order
	Lags    []Lag     // of published messages, in order
	Partial bool      // there was more than was read
}

const (
	historySpan     = time.Hour
	historyMessages = 20
	historyEvents   = 1000 // of each endpoint
)

// History counts the events of the last hour: those that wait, and those of the latest
// messages. It reads a bounded number of documents, and sets Partial if there are more.
func (g *Gate) History(ctx context.Context) (History, error) {
	now := g.clock()
	h := History{Since: now.Add(-historySpan).Truncate(time.Minute)}
	count := make(map[time.Time]int)
	add := func(refs []event.Ref) {
		for _, ref := range refs {
			if !ref.ReceivedAt.Before(h.Since) {
				count[ref.ReceivedAt.Truncate(time.Minute)]++
			}
		}
	}
	waiting, err := g.Pending(ctx, nil, historyEvents)
	if err != nil {
		return h, err
	}
	for _, w := range waiting {
		add(w.Events)
		h.Partial = h.Partial || w.More
	}
	infos, err := g.Messages(ctx, store.Page{Limit: historyMessages})
	if err != nil {
		return h, err
	}
	h.Partial = h.Partial || len(infos) == historyMessages && !infos[len(infos)-1].Date.Before(h.Since)
	for _, info := range slices.Backward(infos) {
		if info.Date.Before(h.Since) {
			continue
		}
		c, err := g.claimOf(ctx, info.EventID)
		if fault.CodeOf(err) == fault.NotFound {
			continue // it expired just now
		}
		if err != nil {
			return h, err
		}
		var first time.Time
		for _, l := range c.Lists {
			add(l.Included)
			h.Partial = h.Partial || l.Count > len(l.Included)
			if first.IsZero() || !l.First.IsZero() && l.First.Before(first) {
				first = l.First
			}
		}
		if !c.PublishedAt.IsZero() && !first.IsZero() {
			h.Lags = append(h.Lags, Lag{c.EventID, first, c.PublishedAt})
		}
	}
	for at, n := range count {
		h.Minutes = append(h.Minutes, Minute{at, n})
	}
	slices.SortFunc(h.Minutes, func(a, b Minute) int { return a.At.Compare(b.At) })
	return h, nil
}
