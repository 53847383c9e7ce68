package gate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/headgate/headgate/internal/gate/window"
	"github.com/headgate/headgate/internal/platform/trace"
	"github.com/headgate/headgate/internal/store"
)

// gathers are the claims in parts that this process is making.
type gathers struct {
	mu   sync.Mutex
	runs map[string]*gathering // by the claim's id
}

// gathering is the work of this process on a claim in parts.
type gathering struct {
	scopes []scope
	span   trace.Span // of the claim; if another process began it, of what this one does for it
	rel    *release
	done   chan struct{} // closed when the claim is whole, or cannot be ended now
	err    error         // valid once done is closed
}

// start makes the other parts of a claim, and ends the span with the last of them. If this
// process is at it already, start returns that work, starts is false, and the span is left to
// the caller.
func (gs *gathers) start(g *Gate, id string, scopes []scope, span trace.Span) (run *gathering, starts bool) {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	if run := gs.runs[id]; run != nil {
		return run, false
	}
	run = &gathering{scopes: scopes, span: span, rel: &release{inParts: true, settled: make(chan struct{})}, done: make(chan struct{})}
	if gs.runs == nil {
		gs.runs = make(map[string]*gathering)
	}
	gs.runs[id] = run
	g.inFlight.Add(1)
	go func() {
		defer g.inFlight.Done()
		g.runGathering(id, run)
	}()
	return run, true
}

func (gs *gathers) end(id string) {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	delete(gs.runs, id)
}

// of returns the id of a claim that takes events of the scope, or "".
func (gs *gathers) of(sc scope) string {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	for id, run := range gs.runs {
		if slices.Contains(run.scopes, sc) {
			return id
		}
	}
	return ""
}

func (gs *gathers) running(id string) bool {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	return gs.runs[id] != nil
}

// help goes on with a claim in parts, unless somebody is at it. It does not wait for it. It
// returns ErrConflict if the claim is whole: then the window looks different.
func (g *Gate) help(ctx context.Context, id string) error {
	if g.gathers.running(id) {
		return nil
	}
	c, err := g.store.ClaimByID(ctx, g.svc.ServiceName, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && c.State != store.Gathering {
		return store.ErrConflict
	}
	if err != nil || !dueClaims.free(c.ClaimInfo, g.clock()) {
		return err
	}
	err = g.store.Lease(ctx, g.svc.ServiceName, id, c.Attempts, g.clock().Add(publishLease(1)))
	if errors.Is(err, store.ErrConflict) {
		return nil
	}
	if err == nil {
		g.gathers.start(g, id, nil, trace.Span{})
	}
	return err
}

// finish makes a claim in parts whole, whoever else is at it.
func (g *Gate) finish(ctx context.Context, id string) error {
	run, _ := g.gathers.start(g, id, nil, trace.Span{})
	select {
	case <-run.done:
		return run.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// finishAll makes the service's claims in parts whole: those of a key, or (nil) all.
func (g *Gate) finishAll(ctx context.Context, key *string) error {
	parts, err := g.store.Gatherings(ctx, g.svc.ServiceName, sweepPage)
	if err != nil {
		return err
	}
	for _, c := range parts {
		if key != nil && c.Window != nil && c.Window.Key != *key {
			continue
		}
		if err := g.finish(ctx, c.ID); err != nil {
			return err
		}
	}
	return nil
}

// runGathering makes the other parts of a claim, publishes it, and then checks what arrived
// meanwhile. If it cannot, the claim is left to whoever finds it when its lease has passed.
func (g *Gate) runGathering(id string, run *gathering) {
	if run.span == (trace.Span{}) {
		_, run.span = g.tracer.Start(context.Background(), trace.Internal, "claim window")
		run.span.SetString(serviceAttribute, g.svc.ServiceName)
	}
	c, s, err := g.gatherRest(run.span.Into(context.Background()), id)
	if c.State != "" { // otherwise another instance made the last part, and the numbers are not known here
		run.span.SetInt("headgate.parts", c.Parts)
		run.span.SetInt(eventsAttribute, c.NumberOfEvents)
	}
	endClaim(run.span, c.EventID, err)
	follows := c.State == store.Claimed && c.Attempts > 0
	g.gathers.end(id)
	run.err = err
	if err == nil && c.State != "" {
		run.rel.EventID, run.rel.NumberOfEvents = c.EventID, c.NumberOfEvents
		if c.State == store.Dropped {
			g.leftUnpublished(g.countsOf(c), nil) // the window has its alert
		}
		if len(c.Docs) > 0 {
			g.startAlerts()
		}
		g.changed()
	}
	close(run.done)
	if err != nil {
		g.log.Error("a large window could not be claimed whole; a later request or sweep goes on", "claimID", id, "error", err)
	}
	if err == nil && follows {
		g.publishRelease(run.span, c, run.rel)
	} else {
		if err == nil {
			g.outbox.Committed(c.Docs)
		}
		close(run.rel.settled)
	}
	if err != nil || c.State == "" || !g.windowed() || g.closing.Load() {
		return
	}
	for _, sc := range g.scopesOfClaim(c, s) {
		var next *checkRun
		if g.rules.byKey {
			next = g.startScope(callers{first: run.span}, sc, false)
		} else {
			next = g.startCheck(callers{first: run.span})
		}
		<-next.done
		next.verdict.wait()
		if next.verdict.err != nil {
			g.log.Error("the window could not be checked; the next event or sweep checks it", "error", next.verdict.err)
		}
	}
}

// gatherRest makes parts until the claim is whole. It returns the zero claim if another
// instance has made the last part.
func (g *Gate) gatherRest(ctx context.Context, id string) (c store.Claim, s gathered, err error) {
	for attempt, reread := 0, true; ; {
		ctx, cancel := context.WithTimeout(ctx, storeTimeout)
		if reread {
			if c, s, err = g.gatheredSoFar(ctx, id); err == nil && c.State != store.Gathering {
				cancel()
				return store.Claim{}, s, nil
			}
		}
		if err == nil {
			err = g.gatherOne(ctx, &c, &s)
		}
		if reread = errors.Is(err, store.ErrConflict); reread {
			attempt++ // another instance is at it too, or an event was removed
			err = pause(ctx, min(attempt, 5))
		}
		cancel()
		switch {
		case err != nil:
			return c, s, err
		case !reread && c.State != store.Gathering:
			return c, s, nil
		case g.closing.Load():
			return c, s, errClosing
		}
	}
}

// gatheredSoFar returns a claim in parts as it is stored. One that does not exist any more
// is whole.
func (g *Gate) gatheredSoFar(ctx context.Context, id string) (c store.Claim, s gathered, err error) {
	c, err = g.store.ClaimByID(ctx, g.svc.ServiceName, id)
	if errors.Is(err, store.ErrNotFound) {
		return store.Claim{}, s, nil
	}
	if err == nil {
		s, err = gatheredOf(c)
	}
	return c, s, err
}

func gatheredOf(c store.Claim) (s gathered, err error) {
	if err = json.Unmarshal(c.Gather, &s); err != nil {
		err = fmt.Errorf("read the record of claim %s: %w", c.ID, err)
	}
	return s, err
}

// gatherOne makes the next part, or if nothing is left the last one.
func (g *Gate) gatherOne(ctx context.Context, c *store.Claim, s *gathered) error {
	p, n, err := g.nextPart(ctx, c, s, nil)
	if err != nil {
		return err
	}
	if n > 0 {
		return g.gather(ctx, c, *s, p)
	}
	if err := g.complete(ctx, c, s); err != nil {
		return err
	}
	if !s.Kept {
		p.Taken = g.marks(*c, *s)
	}
	return g.gather(ctx, c, *s, p)
}

// complete gives the claim all that it has only when it is whole.
func (g *Gate) complete(ctx context.Context, c *store.Claim, s *gathered) error {
	for i := range c.Lists {
		l, from := &c.Lists[i], s.Lists[i]
		l.Count, l.First, l.Last = from.Count, from.First.ReceivedAt, from.Last.ReceivedAt
		l.Included = from.few(l.Send)
		for _, r := range l.Included {
			s.carries(r)
		}
		c.NumberOfEvents += len(l.Included)
	}
	id, withTimes, err := g.hash(ctx, *c, *s)
	if err != nil {
		return err
	}
	if s.Named && !s.Kept { // an earlier message may have the same ids: see distinguish
		_, err := g.store.ClaimByEventID(ctx, c.Service, id)
		if err == nil {
			id = withTimes
		} else if !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	c.EventID = id
	g.enterOutbox(c)
	c.Docs = nil
	if w := c.Window; w != nil && w.ClosedIncomplete() && g.tells(ctx) {
		c.Docs = g.alertOfClosed(ctx, *c, g.countsOf(*c))
	}
	c.Docs = append(c.Docs, g.occurrenceOfMessage(ctx, *c)...)
	return nil
}

// countsOf returns how many events a whole claim took, by endpoint.
func (g *Gate) countsOf(c store.Claim) []int {
	counts := make([]int, len(g.endpoints))
	for _, l := range c.Lists {
		if at, ok := g.byKey[l.Key]; ok {
			counts[at] = l.Count
		}
	}
	return counts
}

// hash returns the two eventIDs that [window.Release] has for the same events.
func (g *Gate) hash(ctx context.Context, c store.Claim, s gathered) (id, withTimes string, err error) {
	h := window.NewHash()
	in := included{g: g, c: c, s: s}
	for i := range c.Lists {
		for refs, err := range in.refs(ctx, i) {
			if err != nil {
				return "", "", err
			}
			for _, r := range refs {
				h.Add(r)
			}
		}
	}
	return h.EventID(), h.EventIDWithTimes(), nil
}

// expectedID returns the eventID of a claim in parts that takes no pointers, before it is
// begun.
func (g *Gate) expectedID(ctx context.Context, c store.Claim, s gathered) (string, error) {
	h := window.NewHash()
	for i := range c.Lists {
		part := s
		part.Order, part.Lists = []int{i}, make([]gatheredList, len(s.Lists))
		for n := 1; n > 0; {
			var p store.Part
			var err error
			if p, n, err = g.nextPart(ctx, &c, &part, nil); err != nil {
				return "", err
			}
			for _, r := range p.Members[i] {
				h.Add(r)
			}
		}
		for _, r := range part.Lists[i].few(c.Lists[i].Send) {
			h.Add(r)
		}
	}
	return h.EventID(), nil
}

// claimedBefore returns the release of a claim that takes no pointers, if it was made, or
// begun, before; nil: it was not.
func (g *Gate) claimedBefore(ctx context.Context, id, eventID string) (*release, error) {
	c, err := g.store.ClaimByID(ctx, g.svc.ServiceName, id)
	if err == nil && c.State == store.Gathering {
		run, _ := g.gathers.start(g, id, nil, trace.Span{})
		return run.rel, nil
	}
	if errors.Is(err, store.ErrNotFound) { // one that began when other events were in the window may have the same
		c, err = g.store.ClaimByEventID(ctx, g.svc.ServiceName, eventID)
	}
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return &release{EventID: c.EventID, repeated: true}, err
}
