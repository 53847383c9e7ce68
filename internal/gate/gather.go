package gate

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate/window"
	"github.com/headgate/headgate/internal/store"
)

// gathered is what the gate keeps of a claim in parts, in Claim.Gather: what belongs to it,
// and how far it is (docs/decisions/018).
type gathered struct {
	Kept    bool           `json:"kept,omitempty"`  // the service keeps its events: no pointer is taken
	Order   []int          `json:"order"`           // the endpoints, as they are taken
	Next    int            `json:"next"`            // the number of endpoints that were taken whole
	Spans   []gatherable   `json:"spans"`           // by endpoint
	Marks   []time.Time    `json:"marks,omitempty"` // of the first endpoint
	Lists   []gatheredList `json:"lists"`           // by endpoint
	Size    int64          `json:"size"`            // of the included events
	Largest int64          `json:"largest"`         // of them
	Named   bool           `json:"named"`           // all included events have idempotency keys
}

// position is a place in a set's order.
type position struct {
	At time.Time `json:"at"`
	ID string    `json:"id"`
}

// gatherable says which events of an endpoint belong to the claim.
type gatherable struct {
	From time.Time `json:"from"`
	To   position  `json:"to"`
	Most int       `json:"most"` // 0: no bound
	None bool      `json:"none,omitempty"`
}

// gatheredList is one endpoint's part of the claim so far.
type gatheredList struct {
	Count       int       `json:"count"`
	First, Last event.Ref // of all members; zero if there are none
	Included    int       `json:"included"` // the members in parts, which the message carries
	Mixed       bool      `json:"mixed"`    // the parts are not in the order of the message
	From, To    int       // the parts that have members
	At          position  // the last that was taken
}

// gatherPage bounds the events of a part, and so the memory that claiming takes and the time
// for which other writers wait.
const gatherPage = 5_000

// claimInParts begins a claim of more events than one commit can take. The other parts
// follow, and the release is settled when the message is published.
func (g *Gate) claimInParts(ctx context.Context, t taking) (*release, error) {
	s := gathered{Kept: g.svc.Trigger.KeepEventAfterTrigger, Named: true, Lists: make([]gatheredList, len(g.endpoints))}
	for i, e := range g.rules.endpoints { // a slot may be taken by another event meanwhile
		if e.distinct != nil {
			s.Order = append(s.Order, i)
		}
	}
	for i, e := range g.rules.endpoints {
		if e.distinct == nil {
			s.Order = append(s.Order, i)
		}
	}
	c := store.Claim{ClaimInfo: store.ClaimInfo{Service: g.svc.ServiceName, TriggerType: g.svc.Trigger.Type, State: store.Gathering, Window: t.window}}
	for _, r := range g.rules.shape.Rules {
		c.Lists = append(c.Lists, event.List{Key: r.Key, Need: r.Need, Send: r.Send})
	}
	if err := g.delimit(ctx, t, &s); err != nil {
		return nil, err
	}
	if s.Kept {
		id, err := g.expectedID(ctx, c, s)
		if err != nil {
			return nil, err
		}
		c.ID = event.DeriveID("kept", g.svc.ServiceName, id)
		rel, err := g.claimedBefore(ctx, c.ID, id)
		if rel != nil || err != nil {
			return rel, err
		}
	}
	p, n, err := g.nextPart(ctx, &c, &s)
	if err == nil && n == 0 {
		err = store.ErrConflict
	}
	if err != nil {
		return nil, err
	}
	if !s.Kept {
		c.ID = partsID(p)
		p.Mark = g.marks(c, s)
	}
	if err := g.gather(ctx, &c, s, p); err != nil {
		return nil, err
	}
	g.changed()
	return g.gathers.start(g, c.ID, g.scopesOfClaim(c, s)).rel, nil
}

// scopesOfClaim returns the scopes that have members.
func (g *Gate) scopesOfClaim(c store.Claim, s gathered) (all []scope) {
	for _, at := range s.Marks {
		if c.Window == nil {
			return []scope{{}}
		}
		if sc := g.rules.scopeOf(c.Window.Key, at); !slices.Contains(all, sc) {
			all = append(all, sc)
		}
	}
	return all
}

// delimit finds out which events belong to the claim: those up to the last that waits now.
func (g *Gate) delimit(ctx context.Context, t taking, s *gathered) error {
	s.Spans = make([]gatherable, len(g.endpoints))
	latest := make(map[scope]time.Time) // the last event of each scope has the time of its mark
	later := func(sc scope, at time.Time) {
		if at.After(latest[sc]) {
			latest[sc] = at
		}
	}
	if t.waiting != nil {
		for i, refs := range t.refs {
			if len(refs) == 0 {
				s.Spans[i].None = true
				continue
			}
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
		if !s.Kept { // its mark may be behind what was read
			if parts, err := g.store.Gatherings(ctx, g.svc.ServiceName, 1); err != nil || len(parts) > 0 {
				if err != nil {
					return err
				}
				return &gatheringError{parts[0].ID}
			}
		}
		for i, ep := range g.endpoints {
			sum, err := g.store.Summarize(ctx, ep, t.since)
			if err != nil {
				return err
			}
			if !t.asked && !g.rules.shape.Rules[i].Met(sum.Count) {
				return store.ErrConflict // another instance has claimed some of them meanwhile
			}
			if sum.Count > 0 {
				later(scope{}, sum.Last)
			}
		}
		for i := range s.Spans {
			s.Spans[i] = gatherable{From: t.since.Add(time.Microsecond), To: position{latest[scope{}], lastID}}
		}
	}
	if !s.Kept {
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

func (e *gatheringError) Error() string { return "the window is being claimed in parts" }

// partsID returns the id of a claim in parts, which is derived from its first part: two
// instances that begin with the same events begin the same claim.
func partsID(p store.Part) string {
	h := sha256.New()
	for _, t := range p.Taken {
		for _, ref := range t.Pointers {
			_, _ = io.WriteString(h, ref.ID+strconv.FormatInt(ref.ReceivedAt.UnixMicro(), 10)+".")
		}
		for _, w := range t.Waiting {
			_, _ = io.WriteString(h, w.ID+strconv.FormatInt(w.ReceivedAt.UnixMicro(), 10)+".")
		}
	}
	_, _ = io.WriteString(h, "parts")
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// gather commits the next part of the claim.
func (g *Gate) gather(ctx context.Context, c *store.Claim, s gathered, p store.Part) (err error) {
	if c.Gather, err = json.Marshal(s); err != nil {
		return err
	}
	c.Parts++
	c.Owner, c.Size = event.RandomID(), s.Size
	if c.State == store.Gathering {
		c.Attempts, c.NextAttempt = 1, g.clock().Add(publishLease(1))
	}
	return g.store.Gather(ctx, *c, p)
}

// nextPart reads the next page of members, and moves the claim behind it. Nothing is left
// when total, the number of members, is 0.
//
// The first part has, of as many endpoints as possible, the events that these need. So the
// claim is complete, whatever becomes of the others: another instance may have read a part of
// the window before the mark was there, and claim that part a moment later. Both windows are
// complete then.
func (g *Gate) nextPart(ctx context.Context, c *store.Claim, s *gathered) (p store.Part, total int, err error) {
	p.Members = make([][]event.Ref, len(g.endpoints))
	room := max(1, min(gatherPage, g.store.MaxClaim()-len(s.Marks)))
	if c.Parts == 0 && !s.Kept {
		order := slices.Clone(s.Order)
		need := func(i int) int { return g.rules.shape.Rules[i].Need }
		slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(need(a), need(b)) })
		for _, i := range order {
			n, _, err := g.takeSome(ctx, c, s, &p, i, min(need(i), room-total))
			if err != nil {
				return p, 0, err
			}
			total += n
		}
	}
	for s.Next < len(s.Order) && total < room {
		n, end, err := g.takeSome(ctx, c, s, &p, s.Order[s.Next], room-total)
		if err != nil {
			return p, 0, err
		}
		if total += n; end {
			s.Next++
		}
	}
	return p, total, nil
}

// takeSome adds the next members of an endpoint to a part, at most limit. end reports that
// there are no more.
func (g *Gate) takeSome(ctx context.Context, c *store.Claim, s *gathered, p *store.Part, i, limit int) (n int, end bool, err error) {
	span, l := s.Spans[i], &s.Lists[i]
	if span.Most > 0 && l.Count+limit >= span.Most {
		limit, end = span.Most-l.Count, true
	}
	if span.None || limit <= 0 {
		return 0, true, nil
	}
	// The first part takes twice from an endpoint, and a slot has no place in the order.
	before := make(map[string]bool)
	for _, t := range p.Taken {
		for _, w := range t.Waiting {
			before[w.ID] = w.Slot != ""
		}
	}
	ws, err := g.members(ctx, c.Window, i, *s, limit+len(before))
	if len(before) > 0 {
		ws = slices.DeleteFunc(ws, func(w event.Waiting) bool { return before[w.ID] })
		ws = ws[:min(len(ws), limit)]
	}
	if n = len(ws); n == 0 || err != nil {
		return 0, true, err
	}
	l.At = position{ws[n-1].At, ws[n-1].ID}
	included := s.add(l, ws, g.rules.shape.Rules[i].Send, c.Parts)
	p.Members[i] = append(p.Members[i], included...)
	c.NumberOfEvents += len(included)
	if !s.Kept {
		p.Taken = append(p.Taken, g.taken(i, ws, c.Window))
	}
	return n, end || n < limit, nil
}

// add adds members to a list, and returns those that the message carries and that a part
// therefore keeps, in the message's order.
func (s *gathered) add(l *gatheredList, ws []event.Waiting, send string, part int) []event.Ref {
	refs := make([]event.Ref, len(ws))
	for i, w := range ws {
		refs[i] = w.Ref
	}
	slices.SortFunc(refs, event.Ref.Compare)
	first, last := refs[0], refs[len(refs)-1]
	if l.Count == 0 {
		l.First, l.Last, l.From = first, last, part
	}
	l.Mixed = l.Mixed || l.Count > 0 && first.Compare(l.Last) < 0
	if first.Compare(l.First) < 0 {
		l.First = first
	}
	if last.Compare(l.Last) > 0 {
		l.Last = last
	}
	l.Count, l.To = l.Count+len(refs), part
	if send == window.First || send == window.Last || send == window.Boundaries {
		return nil // the message carries a few of all, which are known at the end: see few
	}
	l.Included += len(refs)
	for _, r := range refs {
		s.carries(r)
	}
	return refs
}

// few returns the included events of a list of which a part keeps none.
func (l gatheredList) few(send string) []event.Ref {
	switch {
	case l.Count == 0 || l.Included > 0:
		return nil
	case l.Count == 1 || send == window.First:
		return []event.Ref{l.First}
	case send == window.Last:
		return []event.Ref{l.Last}
	}
	return []event.Ref{l.First, l.Last}
}

// carries counts an included event.
func (s *gathered) carries(r event.Ref) {
	s.Size, s.Largest = s.Size+r.Size, max(s.Largest, r.Size)
	s.Named = s.Named && !r.Unnamed()
}

// taken returns the pointers of an endpoint's members.
func (g *Gate) taken(endpoint int, ws []event.Waiting, w *store.Window) store.Taken {
	t := store.Taken{Endpoint: g.endpoints[endpoint]}
	if w != nil {
		t.Waiting = ws
		return t
	}
	for _, one := range ws {
		t.Pointers = append(t.Pointers, one.Ref)
	}
	return t
}

// members returns the next members of an endpoint, at most limit. Fewer mean that there are
// no more.
func (g *Gate) members(ctx context.Context, w *store.Window, endpoint int, s gathered, limit int) ([]event.Waiting, error) {
	span, ep := s.Spans[endpoint], g.endpoints[endpoint]
	from := span.From
	if last := s.Lists[endpoint].At.At; last.After(from) {
		from = last
	}
	slots := g.rules.endpoints[endpoint].distinct != nil
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
		ws = slices.DeleteFunc(ws, func(one event.Waiting) bool { return !g.belongs(one, span, s.Lists[endpoint].At, s.Kept) })
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
