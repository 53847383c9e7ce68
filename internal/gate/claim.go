package gate

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"slices"
	"strconv"
	"sync"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate/window"
	"github.com/headgate/headgate/internal/store"
)

// release is a window that this instance claimed.
type release struct {
	EventID        string
	NumberOfEvents int
	settled        chan struct{} // closed when it is published, or left to the sweep
	published      bool          // valid once settled is closed
	rest           *release      // the next part of a window too large for one claim
}

// Triggered is the answer of Trigger. The zero value means that no event was in the window,
// or (with keepEventAfterTrigger) that all of them had been published before.
type Triggered struct {
	EventIDs       []string // more than one only for a window too large for one claim
	NumberOfEvents int
	Published      bool // false: the bus did not take the message, and a sweep retries it
}

// Trigger claims and publishes every event in the window now, complete or not.
func (g *Gate) Trigger(ctx context.Context) (Triggered, error) {
	if err := g.observe(ctx); err != nil {
		return Triggered{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	for attempt := 0; ; attempt++ {
		waiting := make([][]event.Ref, len(g.rules))
		if err := g.readRest(ctx, waiting, g.since()); err != nil {
			return Triggered{}, unavailable(err, "the window could not be read")
		}
		rel, err := g.claim(ctx, waiting)
		if err == nil {
			return rel.summary(), nil
		}
		if errors.Is(err, store.ErrConflict) {
			err = pause(ctx, attempt)
		}
		if err != nil {
			return Triggered{}, unavailable(err, "the window could not be claimed")
		}
	}
}

// summary waits until every part is published or left to the sweep, and adds them up.
func (r *release) summary() Triggered {
	t := Triggered{Published: r != nil}
	for ; r != nil; r = r.rest {
		<-r.settled
		t.EventIDs = append(t.EventIDs, r.EventID)
		t.NumberOfEvents += r.NumberOfEvents
		t.Published = t.Published && r.published
	}
	return t
}

// claim takes the given events out of the window and publishes them. It returns nil if
// there are none, or if the service keeps its events and has claimed this very message
// before. It returns ErrConflict if another instance was first.
//
// A window with more events than one commit can take is claimed in parts. The first part
// takes the endpoints with the fewest events whole. These endpoints are then short, so no
// other instance finds the window complete while the other parts follow.
func (g *Gate) claim(ctx context.Context, waiting [][]event.Ref) (*release, error) {
	var first, last *release
	for rest := waiting; rest != nil; {
		var part [][]event.Ref
		part, rest = split(rest, g.store.MaxClaim())
		next, err := g.claimPart(ctx, part)
		switch {
		case err != nil && first == nil:
			return nil, err
		case err != nil:
			// The events of the other parts still wait in the window, for the next release.
			g.log.WarnContext(ctx, "a window larger than one claim was released in part", "eventID", first.EventID, "error", err)
			return first, nil
		case next == nil: // this part was published before, but later parts may not have been
		case first == nil:
			first, last = next, next
		default:
			last.rest, last = next, next
		}
	}
	return first, nil
}

// claimPart claims events that fit into one commit, and starts their publication. The
// commit decides between instances: it deletes each event's pointer and fails as a
// whole if one is gone (docs/decisions/002). The claim holds the lease of its first attempt
// from the start, so a sweep that runs at once leaves it alone.
func (g *Gate) claimPart(ctx context.Context, waiting [][]event.Ref) (*release, error) {
	r, ok := window.Build(g.rules, waiting)
	if !ok {
		return nil, nil
	}
	if err := g.distinguish(ctx, &r); err != nil {
		return nil, err
	}
	now := g.clock()
	c := store.Claim{ClaimInfo: store.ClaimInfo{
		ID: claimID(r), Service: g.svc.ServiceName, EventID: r.EventID, TriggerType: g.svc.Trigger.Type,
		Date: now, Owner: event.RandomID(), State: store.Claimed,
		Attempts: 1, NextAttempt: now.Add(publishLease(1)), // the lease of the attempt below
	}}
	resting := !g.elapsed(&g.busAway, busRest)
	if resting { // the bus failed a moment ago: make no attempt, take no lease, and back off
		c.Attempts, c.NextAttempt, c.LastError = 0, now.Add(busRest), "the bus did not take a message a moment ago"
	}
	var taken []store.Taken
	keep := g.svc.Trigger.KeepEventAfterTrigger
	for i, l := range r.Lists {
		c.Lists = append(c.Lists, l.List)
		c.NumberOfEvents += len(l.Included)
		for _, ref := range l.Included {
			c.Size += ref.Size
		}
		if !keep && len(l.Members) > 0 {
			taken = append(taken, store.Taken{Endpoint: g.endpoints[i], Pointers: l.Members})
		}
	}
	if keep { // no pointer is deleted, so the claim's id must tell that the message was claimed
		c.ID = event.DeriveID("kept", g.svc.ServiceName, r.EventID)
	}
	if err := g.store.Claim(ctx, c, taken); err != nil {
		if keep && errors.Is(err, store.ErrConflict) {
			return nil, nil
		}
		return nil, err
	}
	g.changed()
	rel := &release{EventID: c.EventID, NumberOfEvents: c.NumberOfEvents, settled: make(chan struct{})}
	if resting {
		close(rel.settled)
		return rel, nil
	}
	g.inFlight.Add(1)
	go func() {
		defer g.inFlight.Done()
		settle := sync.OnceFunc(func() { close(rel.settled) })
		defer settle()
		g.publishNow(c, func() {
			rel.published = true
			if g.backgroundCPU {
				settle()
			}
		})
	}()
	return rel, nil
}

// distinguish gives the release another eventID if an earlier message of other events has
// the same one. That happens when a source uses its idempotency keys again after they were
// forgotten. Consumers deduplicate on the eventID, so they would drop the new message.
func (g *Gate) distinguish(ctx context.Context, r *window.Release) error {
	if !r.Repeatable() {
		return nil
	}
	before, err := g.store.ClaimByEventID(ctx, g.svc.ServiceName, r.EventID)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	var now, then []event.Ref
	for _, l := range r.Lists {
		now = append(now, l.Included...)
	}
	for _, l := range before.Lists {
		then = append(then, l.Included...)
	}
	if !slices.EqualFunc(now, then, func(a, b event.Ref) bool { return a.Compare(b) == 0 }) {
		r.EventID = r.EventIDWithTimes()
	}
	return nil
}

// claimID returns an id derived from the events taken. Two instances that saw the same
// window write the same claim, and the store refuses the second. The hash includes the
// times because a forgotten id may be used again for another event.
func claimID(r window.Release) string {
	h := sha256.New()
	for _, l := range r.Lists {
		for _, ref := range l.Members {
			_, _ = io.WriteString(h, ref.ID+strconv.FormatInt(ref.ReceivedAt.UnixMicro(), 10)+".")
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// split returns a part of at most most events, and the rest, or nil if nothing is left. It
// fills the part from the endpoints with the fewest events first, the oldest events first.
func split(waiting [][]event.Ref, most int) (part, rest [][]event.Ref) {
	total := 0
	for _, refs := range waiting {
		total += len(refs)
	}
	if total <= most {
		return waiting, nil
	}
	order := make([]int, len(waiting))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(len(waiting[a]), len(waiting[b])) })
	part, rest = make([][]event.Ref, len(waiting)), make([][]event.Ref, len(waiting))
	for _, i := range order {
		refs := slices.SortedFunc(slices.Values(waiting[i]), event.Ref.Compare)
		n := min(len(refs), most)
		part[i], rest[i] = refs[:n], refs[n:]
		most -= n
	}
	return part, rest
}

// Reset removes every event from the window without publishing it, for one endpoint or
// (eventKey "") for all. It returns the number of events removed, also with an error.
func (g *Gate) Reset(ctx context.Context, eventKey string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, 4*storeTimeout)
	defer cancel()
	since, n := g.since(), 0
	for _, ep := range g.endpoints {
		if eventKey != "" && ep.Key != eventKey {
			continue
		}
		refs, err := g.store.Pending(ctx, ep, since, 0)
		if err != nil {
			return n, unavailable(err, "the window could not be read")
		}
		gone, err := g.store.Discard(ctx, ep, refs)
		if n += gone; gone > 0 {
			g.changed()
		}
		if err != nil {
			return n, unavailable(err, "the window could not be reset whole")
		}
	}
	return n, nil
}
