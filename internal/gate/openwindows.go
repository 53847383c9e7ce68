package gate

import (
	"context"
	"time"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate/window"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
)

// OpenWindow is a window of a correlation key that has not been released or closed.
type OpenWindow struct {
	Key string
	window.Window
	Missing []window.Shortfall
	// Closing says that its time has run out, or that it is complete, and that nobody has
	// carried that out yet.
	Closing bool
}

// WindowPage selects a part of the list of open windows.
type WindowPage struct {
	Key     *string       // only this key
	Closing *bool         // only those that are closing, or that are not
	After   *store.Cursor // the earliest event of the window listed last
	Limit   int
}

// mostLooked and mostWalked bound the work for a page, in windows that are not listed and in
// events. Otherwise a filter that no window meets would read all of them.
const (
	mostLooked = 1000
	mostWalked = 10_000
)

// OpenWindows lists the windows that have events, the oldest first: by the time of their
// earliest event. next is the cursor of the next page; nil at the end. A page can have fewer
// windows than its limit, and none, although others follow.
func (g *Gate) OpenWindows(ctx context.Context, page WindowPage) (list []OpenWindow, next *store.Cursor, err error) {
	if err := g.checkKey(page.Key); err != nil {
		return nil, nil, err
	}
	if !g.rules.byKey {
		return nil, nil, fault.New(fault.Invalid, "this service has one window, which \"headgate status\" and /status show")
	}
	if page.Key != nil || !g.correlated() {
		list, next, err = g.windowsOfKey(ctx, orEmptyKey(page.Key), page)
		return list, next, unavailableOrNil(err, "the windows could not be read")
	}
	list, next, err = g.walkWindows(ctx, page)
	return list, next, unavailableOrNil(err, "the windows could not be read")
}

func unavailableOrNil(err error, message string) error {
	if err == nil {
		return nil
	}
	return unavailable(err, message)
}

func (g *Gate) windowsOfKey(ctx context.Context, key string, page WindowPage) (list []OpenWindow, next *store.Cursor, err error) {
	open, _, err := g.openOf(ctx, key)
	paged := store.Paged[OpenWindow]{Limit: page.Limit}
	for _, w := range open {
		first := earliestIn(w.Members)
		if page.After != nil && first.Compare(event.Waiting{Ref: event.Ref{ID: page.After.ID}, At: page.After.Date}) <= 0 {
			continue
		}
		if o := g.described(key, w); page.takes(o) && !paged.Add(o, 0) {
			return paged.Items, next, nil
		}
		next = &store.Cursor{Date: first.At, ID: first.ID}
	}
	return paged.Items, nil, err
}

// takes reports whether the page is of windows in this state.
func (p WindowPage) takes(o OpenWindow) bool { return p.Closing == nil || *p.Closing == o.Closing }

func (g *Gate) described(key string, w window.Window) OpenWindow {
	return OpenWindow{Key: key, Window: w, Missing: g.missing(w.Have), Closing: w.Verdict != window.Open}
}

// walkWindows walks the pointers of all endpoints in the order of time, and lists each
// window at its earliest pointer.
func (g *Gate) walkWindows(ctx context.Context, page WindowPage) (list []OpenWindow, next *store.Cursor, err error) {
	heads := make([]*walk, len(g.endpoints))
	for i, ep := range g.endpoints {
		heads[i] = &walk{g: g, endpoint: ep, after: page.After}
	}
	paged := store.Paged[OpenWindow]{Limit: page.Limit}
	seen := make(map[scope]bool)
	begin := make(map[string]OpenWindow) // by the id of their earliest event
	for walked := 0; ; walked++ {
		w, err := earliestOf(ctx, heads)
		if err != nil || w == nil {
			return paged.Items, nil, err
		}
		if walked == mostWalked || len(seen) == page.Limit+mostLooked {
			return paged.Items, next, nil
		}
		if sc := g.rules.scopeOf(w.Key, w.At); !seen[sc] {
			seen[sc] = true
			now := g.windowTime()
			waiting, _, _, err := g.waitingOf(ctx, sc, now, false)
			if err != nil {
				return nil, nil, err
			}
			for _, one := range g.rules.shape.Windows(waiting, now) {
				if o := g.described(w.Key, one); one.Verdict != window.Over && page.takes(o) {
					begin[earliestIn(one.Members).ID] = o
				}
			}
		}
		if o, ok := begin[w.ID]; ok && !paged.Add(o, 0) {
			return paged.Items, next, nil
		}
		next = &store.Cursor{Date: w.At, ID: w.ID}
	}
}

// earliestIn returns the first of the events, which are in order by endpoint.
func earliestIn(waiting [][]event.Waiting) (first event.Waiting) {
	for _, ws := range waiting {
		if len(ws) > 0 && (first.ID == "" || ws[0].Compare(first) < 0) {
			first = ws[0]
		}
	}
	return first
}

// walk reads the pointers of an endpoint page by page.
type walk struct {
	g        *Gate
	endpoint store.Endpoint
	after    *store.Cursor
	page     []event.Waiting
	end      bool
}

// peek returns the next pointer; nil at the end.
func (w *walk) peek(ctx context.Context) (*event.Waiting, error) {
	if len(w.page) == 0 && !w.end {
		page, err := w.g.store.WaitingUpTo(ctx, w.endpoint, time.Time{}, w.after, sweepPage)
		if err != nil {
			return nil, err
		}
		w.page, w.end = page, len(page) < sweepPage
		if n := len(page); n > 0 {
			w.after = &store.Cursor{Date: page[n-1].At, ID: page[n-1].ID}
		}
	}
	if len(w.page) == 0 {
		return nil, nil
	}
	return &w.page[0], nil
}

// earliestOf takes the earliest pointer of all endpoints; nil at the end.
func earliestOf(ctx context.Context, heads []*walk) (*event.Waiting, error) {
	var from *walk
	var first *event.Waiting
	for _, h := range heads {
		w, err := h.peek(ctx)
		if err != nil {
			return nil, err
		}
		if w != nil && (first == nil || w.Compare(*first) < 0) {
			from, first = h, w
		}
	}
	if first == nil {
		return nil, nil
	}
	one := *first
	from.page = from.page[1:]
	return &one, nil
}
