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
	"time"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate/window"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
)

// release is a window that this instance claimed.
type release struct {
	EventID        string
	NumberOfEvents int
	settled        chan struct{} // closed when it is published, or left to the sweep
	published      bool          // valid once settled is closed
	repeated       bool          // the service keeps its events, and claimed this very message before
	rest           *release      // the next part of a window too large for one claim
}

// releases is a list of releases, linked by rest.
type releases struct{ first, last *release }

func (l *releases) add(r *release) {
	if l.first == nil {
		l.first = r
	} else {
		l.last.rest = r
	}
	l.last = r
}

// Triggered is the answer of Trigger. The zero value means that no event was in the window.
type Triggered struct {
	EventIDs       []string // more than one only for a window too large for one claim
	NumberOfEvents int
	Published      bool // false: the bus did not take the message, and a sweep retries it
	// Repeated says that the call released nothing: with keepEventAfterTrigger, an earlier
	// call released these messages, which have the events of the window.
	Repeated bool
}

// Trigger claims and publishes every event in the window now, complete or not. A service
// with correlation needs the key.
func (g *Gate) Trigger(ctx context.Context, key *string) (Triggered, error) {
	if err := g.checkKey(key); err != nil {
		return Triggered{}, err
	}
	if key == nil && g.correlated() {
		return Triggered{}, fault.New(fault.Invalid, "key is required: this service waits for each correlation key separately")
	}
	if err := g.observe(ctx); err != nil {
		return Triggered{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	for attempt := 0; ; attempt++ {
		var rel *release
		var err error
		if g.rules.byKey {
			rel, err = g.triggerKey(ctx, orEmptyKey(key))
		} else {
			waiting := make([][]event.Ref, len(g.endpoints))
			if err := g.readRest(ctx, waiting, g.since()); err != nil {
				return Triggered{}, unavailable(err, "the window could not be read")
			}
			rel, err = g.claim(ctx, taking{refs: waiting})
		}
		if err == nil && rel != nil && rel.repeated {
			return g.repeated(ctx, rel)
		}
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

// repeated describes messages that were released before.
func (g *Gate) repeated(ctx context.Context, r *release) (Triggered, error) {
	t := Triggered{Published: true, Repeated: true}
	for ; r != nil; r = r.rest {
		c, err := g.claimOf(ctx, r.EventID)
		if err != nil {
			return Triggered{}, err
		}
		t.EventIDs = append(t.EventIDs, r.EventID)
		t.NumberOfEvents += c.NumberOfEvents
		t.Published = t.Published && c.State == store.Published
	}
	return t, nil
}

// taking is what a claim takes.
type taking struct {
	refs    [][]event.Ref            // by endpoint
	waiting map[string]event.Waiting // the same by id, from a set of keys; nil: from the plain sets
	window  *store.Window            // nil: of a service with plain sets
	have    []int                    // by endpoint, of a window that closed incomplete and needs an alert; else nil
}

// claim takes the given events out of the window and publishes them. It returns nil if
// there are none. If the service keeps its events and has claimed all of these messages
// before, it returns these, as repeated. It returns ErrConflict if another instance was
// first.
//
// A window with more events than one commit can take is claimed in parts. The first part
// takes the endpoints with the fewest events whole. These endpoints are then short, so no
// other instance finds the window complete while the other parts follow.
func (g *Gate) claim(ctx context.Context, t taking) (*release, error) {
	var fresh, before releases
	for rest := t.refs; rest != nil; {
		t.refs, rest = split(rest, g.store.MaxClaim())
		next, err := g.claimPart(ctx, t)
		switch {
		case err != nil && fresh.first == nil:
			return nil, err
		case err != nil:
			// The events of the other parts still wait in the window, for the next release.
			g.log.WarnContext(ctx, "a window larger than one claim was released in part", "eventID", fresh.first.EventID, "error", err)
			return fresh.first, nil
		case next == nil: // no events
		case next.repeated: // but later parts may not have been published
			before.add(next)
		default:
			fresh.add(next)
			t.have = nil // the window has its alert
		}
	}
	if fresh.first == nil {
		return before.first, nil
	}
	return fresh.first, nil
}

// claimPart claims events that fit into one commit, and starts their publication. The
// commit decides between instances: it deletes each event's pointer and fails as a
// whole if one is gone (docs/decisions/002). The claim holds the lease of its first attempt
// from the start, so a sweep that runs at once leaves it alone.
func (g *Gate) claimPart(ctx context.Context, t taking) (*release, error) {
	r, ok := window.Build(g.rules.shape.Rules, t.refs)
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
		Window: t.window,
	}}
	if c.Window == nil || c.Window.Completion != store.DeadLettered && c.Window.Completion != store.Expired {
		c.Targets = g.newTargets(now)
		c.NextAttempt = now.Add(leaseOf(c.ClaimInfo, 1))
	}
	dropped := t.window != nil && t.window.Completion == store.Expired
	resting := len(c.Targets) == 0 && !g.elapsed(&g.busAway, busRest) // several targets rest each by itself
	if dropped {                                                      // a record that is final, and no message
		c.State, c.Attempts, c.NextAttempt, c.ExpireAt = store.Dropped, 0, time.Time{}, whole(g.time.After(g.retention()))
	} else if resting { // the bus failed a moment ago: make no attempt, take no lease, and back off
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
			taken = append(taken, g.take(i, l.Members, t.waiting))
		}
	}
	if keep { // no pointer is deleted, so the claim's id must tell that the message was claimed
		c.ID = event.DeriveID("kept", g.svc.ServiceName, r.EventID)
	}
	if t.have != nil {
		c.Docs = g.alertOfClosed(c, t.have)
	}
	if err := g.store.Claim(ctx, c, taken); err != nil {
		if keep && errors.Is(err, store.ErrConflict) {
			return &release{EventID: c.EventID, repeated: true}, nil
		}
		return nil, err
	}
	g.changed()
	if len(c.Docs) > 0 {
		g.startAlerts()
	}
	rel := &release{EventID: c.EventID, NumberOfEvents: c.NumberOfEvents, settled: make(chan struct{})}
	if resting || dropped || g.alone {
		close(rel.settled)
		return rel, nil
	}
	g.inFlight.Add(1)
	go func() {
		defer g.inFlight.Done()
		var once sync.Once
		published := false
		settle := func(published bool) { once.Do(func() { rel.published = published; close(rel.settled) }) }
		defer func() { settle(published) }()
		if len(c.Targets) > 0 && g.backgroundCPU { // the sender of an event waits no longer for an endpoint than for a topic
			defer time.AfterFunc(publishTimeout, func() { settle(false) }).Stop()
		}
		g.publishNow(c, func() {
			if published = true; g.backgroundCPU {
				settle(true)
			}
		})
	}()
	return rel, nil
}

// take returns the pointers of an endpoint's members, from the set in which they wait.
func (g *Gate) take(endpoint int, members []event.Ref, waiting map[string]event.Waiting) store.Taken {
	t := store.Taken{Endpoint: g.endpoints[endpoint]}
	if waiting == nil {
		t.Pointers = members
		return t
	}
	for _, m := range members {
		t.Waiting = append(t.Waiting, waiting[m.ID])
	}
	return t
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
// (eventKey "") for all, and for one correlation key or (key nil) for all. It returns the
// number of events removed, also with an error.
func (g *Gate) Reset(ctx context.Context, eventKey string, key *string) (int, error) {
	if err := g.checkKey(key); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, 4*storeTimeout)
	defer cancel()
	if g.rules.byKey {
		return g.resetByKey(ctx, eventKey, key)
	}
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
