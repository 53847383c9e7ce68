package gate

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate/window"
	"github.com/headgate/headgate/internal/platform/trace"
	"github.com/headgate/headgate/internal/store"
)

// gathered is the progress of a claim in parts, which the store keeps in Claim.Gather: the
// events that belong to the claim, and those that it has taken (docs/decisions/018).
type gathered struct {
	Kept    bool           `json:"kept,omitempty"`   // the service keeps its events: no pointer is taken
	Order   []int          `json:"order"`            // the endpoints, as they are taken
	Next    int            `json:"next"`             // the number of endpoints that were taken whole
	Spans   []gatherable   `json:"spans"`            // by endpoint
	Marks   []time.Time    `json:"marks,omitempty"`  // by scope
	Marked  []int          `json:"marked,omitempty"` // the endpoints that have the marks; none: the first one
	Lists   []gatheredList `json:"lists"`            // by endpoint
	Size    int64          `json:"size"`             // of the included events
	Largest int64          `json:"largest"`          // of them
	Named   bool           `json:"named"`            // all included events have idempotency keys
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
// follow, and the release is settled when the message is published. The claim's span ends with
// the last part.
func (g *Gate) claimInParts(ctx context.Context, t taking) (*release, error) {
	ctx, span := trace.Start(ctx, trace.Internal, "claim window")
	span.SetString(serviceAttribute, g.svc.ServiceName)
	rel, follows, err := g.firstPart(ctx, t, span)
	if follows {
		return rel, err
	}
	eventID := ""
	if rel != nil && rel.repeated { // of a claim that is under way, the release has its eventID only when it is settled
		eventID = rel.EventID
	}
	endClaim(span, eventID, err)
	return rel, err
}

// firstPart takes the first part of a claim. If follows is true, the work on the other parts
// has begun and ends the span; otherwise the caller ends it.
func (g *Gate) firstPart(ctx context.Context, t taking, span trace.Span) (_ *release, follows bool, err error) {
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
		return nil, false, err
	}
	if s.Kept {
		id, err := g.expectedID(ctx, c, s)
		if err != nil {
			return nil, false, err
		}
		c.ID = event.DeriveID("kept", g.svc.ServiceName, id)
		rel, err := g.claimedBefore(ctx, c.ID, id)
		if rel != nil || err != nil {
			return rel, false, err
		}
	}
	p, n, err := g.nextPart(ctx, &c, &s, &t)
	if err == nil && n == 0 {
		err = store.ErrConflict
	}
	if err != nil {
		return nil, false, err
	}
	if !s.Kept {
		c.ID = partsID(p)
		p.Marks = g.marks(c, s)
	}
	if err := g.gather(ctx, &c, s, p); err != nil {
		return nil, false, err
	}
	g.changed()
	run, follows := g.gathers.start(g, c.ID, g.scopesOfClaim(c, s), span)
	return run.rel, follows, nil
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
	err = g.store.Gather(ctx, *c, p)
	g.countLost(err)
	if err == nil && c.State != store.Gathering {
		g.countClaim(*c, false)
	}
	return err
}

// nextPart reads the next page of members, and moves the claim behind it. Nothing is left
// when total, the number of members, is 0. The first part begins with what the caller has read
// of the window; read is nil for any other part.
func (g *Gate) nextPart(ctx context.Context, c *store.Claim, s *gathered, read *taking) (p store.Part, total int, err error) {
	p.Members = make([][]event.Ref, len(c.Lists))
	room := max(1, min(gatherPage, g.store.MaxClaim()-len(s.Marks)*max(1, len(s.Marked))))
	if read != nil && !s.Kept {
		total = g.takeNeeded(c, s, &p, *read, room)
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

// takeNeeded adds to the first part, of as many endpoints as possible, the first events that
// these need, as they were read. It returns their number.
//
// Another instance that read the same window takes the same events, so one of the two commits
// is refused, like that of an instance that reads what another one has begun to take. If these
// events were read anew here, what is left of a window could become a second claim. The claim
// has what completes its window, whatever becomes of the other events.
func (g *Gate) takeNeeded(c *store.Claim, s *gathered, p *store.Part, read taking, room int) (total int) {
	order := slices.Clone(s.Order)
	need := func(i int) int { return c.Lists[i].Need }
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(need(a), need(b)) })
	for _, i := range order {
		refs := read.refs[i]
		refs = refs[:min(len(refs), need(i), room-total)]
		if len(refs) == 0 {
			continue
		}
		ws := make([]event.Waiting, len(refs))
		for n, ref := range refs {
			if ws[n] = (event.Waiting{Ref: ref, At: ref.ReceivedAt, First: ref.ReceivedAt}); read.waiting != nil {
				ws[n] = read.waiting[ref.ID]
			}
		}
		g.addTo(p, c, s, i, ws)
		total += len(ws)
	}
	return total
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
	ws, err := g.members(ctx, c, i, *s, limit+len(before))
	if len(before) > 0 {
		ws = slices.DeleteFunc(ws, func(w event.Waiting) bool { return before[w.ID] })
		ws = ws[:min(len(ws), limit)]
	}
	if n = len(ws); n == 0 || err != nil {
		return 0, true, err
	}
	g.addTo(p, c, s, i, ws)
	return n, end || n < limit, nil
}

// addTo adds members of an endpoint to a part, and to the claim's numbers.
func (g *Gate) addTo(p *store.Part, c *store.Claim, s *gathered, i int, ws []event.Waiting) {
	last := ws[len(ws)-1]
	s.Lists[i].At = position{last.At, last.ID}
	included := s.add(&s.Lists[i], ws, c.Lists[i].Send, c.Parts)
	p.Members[i] = append(p.Members[i], included...)
	c.NumberOfEvents += len(included)
	if !s.Kept {
		p.Taken = append(p.Taken, taken(g.endpointOf(c, i), ws, c.Window))
	}
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

// endpointOf returns the endpoint of a list. The configuration may have changed since the
// claim was begun.
func (g *Gate) endpointOf(c *store.Claim, list int) store.Endpoint {
	if i, ok := g.byKey[c.Lists[list].Key]; ok {
		return g.endpoints[i]
	}
	return store.Endpoint{Service: c.Service, Key: c.Lists[list].Key}
}

// taken returns the pointers of an endpoint's members.
func taken(ep store.Endpoint, ws []event.Waiting, w *store.Window) store.Taken {
	t := store.Taken{Endpoint: ep}
	if w != nil {
		t.Waiting = ws
		return t
	}
	for _, one := range ws {
		t.Pointers = append(t.Pointers, one.Ref)
	}
	return t
}
