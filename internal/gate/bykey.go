package gate

import (
	"context"
	"slices"
	"time"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate/window"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
)

// correlated reports whether the service waits for each key separately.
func (g *Gate) correlated() bool { return g.svc.Correlation != nil }

// checkKey refuses a key that no event can have.
func (g *Gate) checkKey(key *string) error {
	switch {
	case key == nil:
		return nil
	case !g.correlated():
		return fault.New(fault.Invalid, "key must not be given: this service has no correlation")
	case *key == "" || len(*key) > store.MaxKeyBytes:
		return fault.New(fault.Invalid, "key must have 1 to %d bytes", store.MaxKeyBytes)
	case !utf8.ValidString(*key):
		return fault.New(fault.Invalid, "key must be UTF-8")
	}
	return nil
}

// orEmptyKey returns the key, and "" for a service without correlation.
func orEmptyKey(key *string) string {
	if key == nil {
		return ""
	}
	return *key
}

// checkByKey is Check for sets of keys.
func (g *Gate) checkByKey(ctx context.Context, key *string) (Verdict, error) {
	if err := g.observe(ctx); err != nil {
		return Verdict{}, err
	}
	if key == nil && g.correlated() {
		return g.checkDue(ctx)
	}
	scopes, err := g.scopesOfKey(ctx, orEmptyKey(key))
	if err != nil {
		return Verdict{}, unavailable(err, "the window could not be read")
	}
	var out Verdict
	for _, sc := range scopes {
		run := g.startScope(callerIn(ctx), sc, false)
		select {
		case <-run.done:
		case <-ctx.Done():
			return out, unavailable(ctx.Err(), "the check did not end in time")
		}
		v := run.verdict
		v.wait()
		if v.err != nil {
			return out, unavailable(v.err, "the window could not be checked")
		}
		if len(v.released) > 0 && !out.Complete {
			out.Complete = true
			out.Triggered, out.Published = v.message()
		}
	}
	if out.Complete {
		return out, nil
	}
	have, err := g.haveOf(ctx, orEmptyKey(key))
	if err != nil {
		return out, unavailable(err, "the window could not be read")
	}
	out.Missing = g.missing(have)
	out.Complete = len(out.Missing) == 0
	return out, nil
}

// checkDue checks all windows whose time may have run out.
func (g *Gate) checkDue(ctx context.Context) (out Verdict, err error) {
	err = g.closeDue(ctx, func(_ scope, v checkResult) {
		v.wait()
		g.overs.Lock()
		defer g.overs.Unlock()
		if len(v.released) > 0 && !out.Complete {
			out.Complete = true
			out.Triggered, out.Published = v.message()
		}
	})
	if err != nil {
		return out, unavailable(err, "the windows could not be checked")
	}
	return out, nil
}

// scopesOfKey returns the scopes of a key that have events: one, or for tumbling windows
// one for each interval.
func (g *Gate) scopesOfKey(ctx context.Context, key string) ([]scope, error) {
	if g.rules.shape.Kind != window.Tumbling {
		return []scope{{key: key}}, nil
	}
	waiting, mark, _, err := g.waitingOf(ctx, scope{key: key}, g.windowTime(), false)
	if err != nil {
		return nil, err
	}
	var all []scope
	if mark != nil { // its interval may have no other pointer left
		all = append(all, g.rules.scopeOf(key, mark.At))
	}
	for _, w := range g.rules.shape.Windows(waiting, g.windowTime()) {
		if sc := g.rules.scopeOf(key, w.Opened); !slices.Contains(all, sc) {
			all = append(all, sc)
		}
	}
	return all, nil
}

// openOf returns the windows of a key that are open or not yet looked at, oldest first. mark
// is that of a claim in parts which takes events of the key; nil: there is none.
func (g *Gate) openOf(ctx context.Context, key string) (open []window.Window, mark *event.Waiting, err error) {
	now := g.windowTime()
	waiting, mark, _, err := g.waitingOf(ctx, scope{key: key}, now, false)
	if err != nil {
		return nil, nil, err
	}
	over := func(w window.Window) bool { return w.Verdict == window.Over }
	return slices.DeleteFunc(g.rules.shape.Windows(waiting, now), over), mark, nil
}

// haveOf returns how many events the first window of a key has by endpoint.
func (g *Gate) haveOf(ctx context.Context, key string) ([]int, error) {
	open, _, err := g.openOf(ctx, key)
	if err != nil || len(open) == 0 {
		return make([]int, len(g.endpoints)), err
	}
	return open[0].Have, nil
}

// triggerKey claims every event of a key that is in a window. mark names a claim in parts
// that takes events of the key already.
func (g *Gate) triggerKey(ctx context.Context, key string) (rel *release, mark string, err error) {
	open, marked, err := g.openOf(ctx, key)
	if err != nil {
		return nil, "", err
	}
	if marked != nil {
		return nil, marked.ID, nil
	}
	all := window.Window{Members: make([][]event.Waiting, len(g.endpoints)), Have: make([]int, len(g.endpoints))}
	for _, w := range open {
		if all.Opened.IsZero() {
			all.Opened = w.Opened
		}
		all.Closes = w.Closes
		for i, ws := range w.Members {
			all.Members[i] = append(all.Members[i], ws...)
			all.Have[i] += len(ws)
		}
	}
	if len(open) == 0 {
		return nil, "", nil
	}
	rel, err = g.claimWindow(ctx, key, foundWindow{Window: all}, store.Manual)
	return rel, "", err
}

// resetByKey is Reset for sets of keys.
func (g *Gate) resetByKey(ctx context.Context, eventKey string, key *string) (total int, err error) {
	for i, ep := range g.endpoints {
		if eventKey != "" && ep.Key != eventKey {
			continue
		}
		for {
			var ws []event.Waiting
			if key != nil {
				ws, err = g.store.WaitingOf(ctx, ep, *key, store.Span{}, g.rules.endpoints[i].distinct != nil, 0)
			} else {
				ws, err = g.store.WaitingUpTo(ctx, ep, time.Time{}, nil, resetPage)
			}
			if err != nil {
				return total, unavailable(err, "the window could not be read")
			}
			read := len(ws)
			ws, _ = unmarkedWaiting(ws)
			n, err := g.store.DiscardWaiting(ctx, ep, ws)
			if total += n; n > 0 {
				g.changed()
			}
			if err != nil {
				return total, unavailable(err, "the window could not be reset whole")
			}
			if key != nil || read < resetPage || n == 0 {
				break
			}
		}
	}
	return total, nil
}

// resetPage is the number of pointers that a reset of all keys takes at a time.
const resetPage = 1000

// pendingByKey is Pending for sets of keys.
func (g *Gate) pendingByKey(ctx context.Context, key *string, limit int) ([]Waiting, error) {
	out := make([]Waiting, len(g.endpoints))
	eg, ctx := errgroup.WithContext(ctx)
	for i, ep := range g.endpoints {
		eg.Go(func() (err error) {
			var ws []event.Waiting
			if key != nil || !g.correlated() {
				ws, err = g.store.WaitingOf(ctx, ep, orEmptyKey(key), store.Span{}, g.rules.endpoints[i].distinct != nil, limit+1)
			} else {
				ws, err = g.store.WaitingUpTo(ctx, ep, time.Time{}, nil, limit+1)
			}
			out[i] = Waiting{EventKey: ep.Key, More: len(ws) > limit}
			ws, _ = unmarkedWaiting(ws)
			for _, w := range ws[:min(len(ws), limit)] {
				out[i].Events = append(out[i].Events, w.Ref)
				out[i].Keys = append(out[i].Keys, w.Key)
			}
			return err
		})
	}
	if err := eg.Wait(); err != nil {
		return nil, unavailable(err, "the window could not be read")
	}
	return out, nil
}

// countedMost bounds the events that the status of all keys counts.
const countedMost = 10_000

// statusByKey fills in what waits: in the first window of a key, or in all sets.
func (g *Gate) statusByKey(ctx context.Context, key *string, s *Status, have []int) error {
	for i, r := range g.rules.shape.Rules {
		s.Endpoints[i] = EndpointStatus{EventKey: r.Key, Need: r.Need}
	}
	if key == nil && g.correlated() {
		for i, ep := range g.endpoints {
			n, err := g.store.CountWaiting(ctx, ep, countedMost)
			if err != nil {
				return err
			}
			s.Endpoints[i].Have = n
		}
		return nil
	}
	open, _, err := g.openOf(ctx, orEmptyKey(key))
	if err != nil || len(open) == 0 {
		return err
	}
	w := open[0]
	first := g.described(orEmptyKey(key), w)
	s.Window = &first
	for i, ws := range w.Members {
		have[i] = w.Have[i]
		s.Endpoints[i].Have = w.Have[i]
		if len(ws) > 0 {
			s.Endpoints[i].First, s.Endpoints[i].Last = ws[0].ReceivedAt, ws[len(ws)-1].ReceivedAt
			s.Endpoints[i].OldestLeaves = w.Closes
			if g.rules.shape.Kind == window.Sliding {
				s.Endpoints[i].OldestLeaves = ws[0].At.Add(g.rules.shape.Period)
			}
		}
	}
	return nil
}
