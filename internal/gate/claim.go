package gate

import (
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
	"github.com/headgate/headgate/internal/platform/trace"
	"github.com/headgate/headgate/internal/store"
)

// release is a window that this instance claimed. Several looks may share it.
type release struct {
	inParts  bool          // the claim is made in parts: then its other fields are set while it is made
	repeated bool          // the service keeps its events, and claimed this very message before
	settled  chan struct{} // closed when it is published, or left to the sweep; nil: it is repeated

	// Valid at once unless it is made in parts, and in any case once settled is closed.
	EventID        string // "" if the claim is made in parts, and this instance could not end it
	NumberOfEvents int

	published bool // valid once settled is closed
}

// Triggered is the answer of Trigger. The zero value means that no event was in the window.
type Triggered struct {
	EventID        string
	NumberOfEvents int
	Published      bool // false: the bus did not take the message, and a sweep retries it
	// Repeated says that the call released nothing: with keepEventAfterTrigger, an earlier
	// call released this message, which has the events of the window.
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
		rel, mark, err := g.triggerOnce(ctx, key)
		if mark != "" { // its events belong to another message: then what waits beside them is claimed
			if err = g.finish(ctx, mark); err == nil {
				continue
			}
		}
		if err == nil && rel != nil && rel.repeated {
			return g.repeated(ctx, rel)
		}
		if err == nil {
			return rel.summary()
		}
		if errors.Is(err, store.ErrConflict) {
			err = pause(ctx, attempt)
		}
		if err != nil {
			return Triggered{}, unavailable(err, "the window could not be claimed")
		}
	}
}

// triggerOnce claims what is in the window. mark names a claim in parts that takes it already.
func (g *Gate) triggerOnce(ctx context.Context, key *string) (rel *release, mark string, err error) {
	if g.rules.byKey {
		rel, mark, err = g.triggerKey(ctx, orEmptyKey(key))
		if by, ok := errors.AsType[*gatheringError](err); ok {
			return nil, by.id, nil
		}
		return rel, mark, err
	}
	waiting, since := make([][]event.Ref, len(g.endpoints)), g.since()
	if mark, err = g.readRest(ctx, waiting, since); err != nil || mark != "" {
		return nil, mark, unavailableOrNil(err, "the window could not be read")
	}
	rel, err = g.claim(ctx, taking{refs: waiting, since: since, asked: true})
	if by, ok := errors.AsType[*gatheringError](err); ok {
		return nil, by.id, nil
	}
	return rel, "", err
}

// summary waits until the release is published or left to the sweep, and describes it.
func (r *release) summary() (Triggered, error) {
	if r == nil {
		return Triggered{}, nil
	}
	<-r.settled
	if r.EventID == "" {
		return Triggered{}, fault.New(fault.Unavailable, "the window is claimed, but not whole yet; its message follows")
	}
	return Triggered{EventID: r.EventID, NumberOfEvents: r.NumberOfEvents, Published: r.published}, nil
}

// repeated describes a message that was released before.
func (g *Gate) repeated(ctx context.Context, r *release) (Triggered, error) {
	c, err := g.claimOf(ctx, r.EventID)
	if err != nil {
		return Triggered{}, err
	}
	return Triggered{EventID: r.EventID, NumberOfEvents: c.NumberOfEvents, Published: c.State == store.Published, Repeated: true}, nil
}

// taking holds the events that a claim takes, and how they were chosen.
type taking struct {
	refs    [][]event.Ref            // by endpoint; of the plain sets not all, if there are more than MaxClaim
	since   time.Time                // of the plain sets: the start of the window
	asked   bool                     // a user wants the window, complete or not
	waiting map[string]event.Waiting // the same by id, from a set of keys; nil: from the plain sets
	window  *store.Window            // nil: of a service with plain sets
	more    []bool                   // the endpoints of which refs has only the first events; nil: none
	until   time.Time                // the members' times are before it; zero: no bound
	ended   bool                     // no event received from now on belongs to the window
	have    []int                    // by endpoint, of a window that closed incomplete and needs an alert; else nil
}

// claim takes the given events out of the window and publishes them. It returns nil if
// there are none. If the service keeps its events and has claimed this message before, it
// returns that, as repeated. It returns ErrConflict if another instance was first. A window
// with more events than one commit can take is claimed in parts, which follow.
func (g *Gate) claim(ctx context.Context, t taking) (*release, error) {
	total := 0
	for _, refs := range t.refs {
		total += len(refs)
	}
	if total > g.store.MaxClaim() {
		return g.claimInParts(ctx, t)
	}
	return g.claimAtOnce(ctx, t)
}

// claimAtOnce claims events that fit into one commit, and starts their publication. The
// commit decides between instances: it deletes each event's pointer and fails as a
// whole if one is gone (docs/decisions/002). The claim holds the lease of its first attempt
// from the start, so a sweep that runs at once leaves it alone.
func (g *Gate) claimAtOnce(ctx context.Context, t taking) (*release, error) {
	r, ok := window.Build(g.rules.shape.Rules, t.refs)
	if !ok {
		return nil, nil
	}
	ctx, span := g.beginClaim(ctx, t, r)
	rel, err := g.claimRelease(ctx, t, r)
	endClaim(span, r.EventID, err)
	return rel, err
}

// claimRelease is claimAtOnce for what the window releases.
func (g *Gate) claimRelease(ctx context.Context, t taking, r window.Release) (*release, error) {
	if err := g.distinguish(ctx, &r); err != nil {
		return nil, err
	}
	c := store.Claim{ClaimInfo: store.ClaimInfo{
		ID: claimID(r), Service: g.svc.ServiceName, EventID: r.EventID, TriggerType: g.svc.Trigger.Type,
		Owner: event.RandomID(), Window: t.window,
	}}
	follows := g.enterOutbox(&c)
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
		c.Docs = g.alertOfClosed(ctx, c, t.have)
	}
	c.Docs = append(c.Docs, g.occurrenceOfMessage(ctx, c)...)
	if err := g.store.Claim(ctx, c, taken); err != nil {
		if keep && errors.Is(err, store.ErrConflict) {
			return &release{EventID: c.EventID, repeated: true}, nil
		}
		g.countLost(err)
		return nil, err
	}
	g.countClaim(c, t.asked)
	g.changed()
	if t.have != nil {
		g.startAlerts()
	}
	rel := &release{EventID: c.EventID, NumberOfEvents: c.NumberOfEvents, settled: make(chan struct{})}
	if !follows || g.alone {
		g.outbox.Committed(c.Docs)
		close(rel.settled)
		return rel, nil
	}
	g.inFlight.Add(1)
	span := trace.Current(ctx)
	go func() {
		defer g.inFlight.Done()
		g.publishRelease(span, c, rel)
	}()
	return rel, nil
}

// enterOutbox gives the claim its date and the state in which it is whole. It reports
// whether this instance is to publish it now.
func (g *Gate) enterOutbox(c *store.Claim) (follows bool) {
	now := g.clock()
	c.Date, c.State, c.Attempts, c.LastError = now, store.Claimed, 1, ""
	if c.Window != nil && c.Window.Completion == store.Expired { // a record that is final, and no message
		c.State, c.Attempts, c.NextAttempt, c.ExpireAt = store.Dropped, 0, time.Time{}, whole(g.time.After(g.retention()))
		return false
	}
	if c.Window == nil || c.Window.Completion != store.DeadLettered {
		c.Targets = g.newTargets(now)
	}
	c.NextAttempt = now.Add(leaseOf(c.ClaimInfo, 1))            // the lease of the attempt that follows
	if len(c.Targets) == 0 && !g.elapsed(&g.busAway, busRest) { // several targets rest each by itself
		// The bus failed a moment ago: make no attempt, take no lease, and back off.
		c.Attempts, c.NextAttempt, c.LastError = 0, now.Add(busRest), "the bus did not take a message a moment ago"
		return false
	}
	return true
}

// publishRelease makes the first attempt to publish a claim, whose span it gets, and settles
// the release.
func (g *Gate) publishRelease(span trace.Span, c store.Claim, rel *release) {
	var once sync.Once
	published := false
	settle := func(published bool) { once.Do(func() { rel.published = published; close(rel.settled) }) }
	defer func() { settle(published) }()
	if len(c.Targets) > 0 && g.backgroundCPU { // the sender of an event waits no longer for an endpoint than for a topic
		defer time.AfterFunc(publishTimeout, func() { settle(false) }).Stop()
	}
	g.publishNow(span, c, func() {
		if published = true; g.backgroundCPU {
			settle(true)
		}
	})
	if published && !g.svc.Trigger.KeepEventAfterTrigger { // otherwise another message may have them too
		g.recent.forget(c.Lists)
	}
	g.outbox.Committed(c.Docs) // where no processor is left after the answer, the answer waits for this, too
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

// Reset removes every event from the window without publishing it, for one endpoint or
// (eventKey "") for all, and for one correlation key or (key nil) for all. It returns the
// number of events removed, also with an error.
func (g *Gate) Reset(ctx context.Context, eventKey string, key *string) (int, error) {
	if err := g.checkKey(key); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, 4*storeTimeout)
	defer cancel()
	if err := g.finishAll(ctx, key); err != nil {
		return 0, unavailable(err, "a large window is being claimed")
	}
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
		refs, _ = unmarked(refs)
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
