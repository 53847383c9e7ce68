package gate

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate/window"
	"github.com/headgate/headgate/internal/store"
)

// delimit finds out which events belong to the claim: those up to the last that waits now.
func (g *Gate) delimit(ctx context.Context, t taking, s *gathered) error {
	s.Spans = make([]gatherable, len(g.endpoints))
	latest := make(map[scope]time.Time) // the last event of each scope has the time of its mark
	later := func(sc scope, at time.Time) {
		if at.After(latest[sc]) {
			latest[sc] = at
		}
	}
	if !s.Kept { // its mark may be behind what was read
		if err := g.gatheredBy(ctx, t); err != nil {
			return err
		}
	}
	if t.waiting != nil {
		for i, refs := range t.refs {
			if len(refs) == 0 {
				s.Spans[i].None = true
				continue
			}
			s.Marked = append(s.Marked, i)
			first, last := t.waiting[refs[0].ID], t.waiting[refs[len(refs)-1].ID]
			s.Spans[i] = gatherable{From: first.At, To: position{last.At, last.ID}}
			if m := g.rules.shape.Rules[i].Max; m > 0 && !t.asked {
				s.Spans[i].Most = m
			}
			if t.more != nil && t.more[i] {
				s.Spans[i].To = g.endOf(t, last.At)
				later(g.rules.scopeOf(last.Key, last.At), s.Spans[i].To.At)
			}
			for _, ref := range refs {
				w := t.waiting[ref.ID]
				later(g.rules.scopeOf(w.Key, w.At), w.At)
			}
		}
	} else {
		for i, ep := range g.endpoints {
			sum, err := g.store.Summarize(ctx, ep, t.since)
			if err != nil {
				return err
			}
			if !t.asked && !g.rules.shape.Rules[i].Met(sum.Count) {
				return store.ErrConflict // another instance has claimed some of them meanwhile
			}
			if sum.Count > 0 {
				s.Marked = append(s.Marked, i)
				later(scope{}, sum.Last)
			}
		}
		for i := range s.Spans {
			s.Spans[i] = gatherable{From: t.since.Add(time.Microsecond), To: position{latest[scope{}], lastID}}
		}
	}
	if s.Kept {
		s.Marked = nil
	} else {
		s.Marks = slices.SortedFunc(maps.Values(latest), time.Time.Compare)
	}
	return nil
}

// endOf returns the end of the span of an endpoint of which only the first events were read,
// the last of them at the given time. What is received from now on is not in it, unless only
// an event's own time decides.
func (g *Gate) endOf(t taking, last time.Time) position {
	if !t.until.IsZero() && (t.ended || g.rules.eventTime != nil) {
		return position{t.until.Add(-time.Microsecond), lastID}
	}
	now := g.windowTime()
	if !t.until.IsZero() && !now.Before(t.until) {
		now = t.until.Add(-time.Microsecond)
	}
	if now.Before(last) {
		now = last
	}
	return position{now, lastID}
}

// lastID is after the ids of all events.
const lastID = "g"

// gatheringError says that another claim in parts takes the window's events.
type gatheringError struct{ id string }

// Is makes it a conflict: the caller looks again.
func (e *gatheringError) Is(target error) bool { return target == store.ErrConflict }

func (e *gatheringError) Error() string { return "the window is being claimed in parts" }

// gatheredBy returns a gatheringError if another claim in parts takes events of the same
// scopes.
func (g *Gate) gatheredBy(ctx context.Context, t taking) error {
	parts, err := g.store.Gatherings(ctx, g.svc.ServiceName, sweepPage)
	if err != nil {
		return err
	}
	var wanted []scope
	for _, w := range t.waiting {
		if sc := g.rules.scopeOf(w.Key, w.At); len(wanted) == 0 || !slices.Contains(wanted, sc) {
			wanted = append(wanted, sc)
		}
	}
	for _, info := range parts {
		if t.waiting == nil {
			return &gatheringError{info.ID}
		}
		c, s, err := g.gatheredSoFar(ctx, info.ID)
		if err != nil {
			return err
		}
		for _, sc := range g.scopesOfClaim(c, s) {
			if slices.Contains(wanted, sc) {
				return &gatheringError{info.ID}
			}
		}
	}
	return nil
}

// members returns the next members of an endpoint, at most limit. Fewer mean that there are
// no more.
func (g *Gate) members(ctx context.Context, c *store.Claim, list int, s gathered, limit int) ([]event.Waiting, error) {
	w, span, ep := c.Window, s.Spans[list], g.endpointOf(c, list)
	from := span.From
	if last := s.Lists[list].At.At; last.After(from) {
		from = last
	}
	i, known := g.byKey[ep.Key]
	slots := !known || g.rules.endpoints[i].distinct != nil
	for n := limit + 2; ; n *= 2 {
		var ws []event.Waiting
		var err error
		switch {
		case w == nil:
			var refs []event.Ref
			refs, err = g.store.Pending(ctx, ep, from.Add(-time.Microsecond), n)
			for _, r := range refs {
				ws = append(ws, event.Waiting{Ref: r, At: r.ReceivedAt, First: r.ReceivedAt})
			}
		case slots:
			ws, err = g.store.WaitingOf(ctx, ep, w.Key, store.Span{}, true, 0)
		default:
			ws, err = g.store.WaitingOf(ctx, ep, w.Key, store.Span{From: from, To: span.To.At.Add(time.Microsecond)}, false, n)
		}
		if err != nil {
			return nil, err
		}
		all := slots && w != nil || len(ws) < n
		ws = slices.DeleteFunc(ws, func(one event.Waiting) bool { return !g.belongs(one, span, s.Lists[list].At, s.Kept) })
		if all || len(ws) >= limit {
			return ws[:min(len(ws), limit)], nil
		}
	}
}

// belongs reports whether a pointer of an endpoint is a member that is not taken yet. An
// event that has taken the slot of a member in the meantime is a member in its place.
func (g *Gate) belongs(w event.Waiting, span gatherable, last position, kept bool) bool {
	at := position{w.At, w.ID}
	if w.Size == markSize || w.At.Before(span.From) {
		return false
	}
	if w.Slot == "" || kept {
		return at.compare(last) > 0 && at.compare(span.To) <= 0
	}
	// In the other kinds of windows an event waits until the claim is whole: see closeBefore.
	replaced := g.rules.shape.Kind == window.Sliding || g.rules.shape.Kind == window.Tumbling
	return !w.At.After(span.To.At) || replaced && !w.First.After(span.To.At)
}

func (p position) compare(o position) int { return cmp.Or(p.At.Compare(o.At), cmp.Compare(p.ID, o.ID)) }
