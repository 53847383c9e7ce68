package gate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate/window"
	"github.com/headgate/headgate/internal/platform/meter"
	"github.com/headgate/headgate/internal/store"
)

// checkResult is the result of one check. All callers that share the check share it.
type checkResult struct {
	complete bool
	released []*release // the latest first; empty: nothing was released, or all of it had been published before
	err      error
	// gathering names the claims in parts that take events of the scope.
	gathering []string
}

// and returns the result of two checks: what the first one released, and any error.
func (v checkResult) and(other checkResult) checkResult {
	if len(v.released) == 0 {
		v.released = other.released
	}
	if v.err == nil {
		v.err = other.err
	}
	v.complete = v.complete || other.complete
	return v
}

// message returns the eventID of the latest message that was released, "" if there is none,
// and whether all that was released is published. Call wait first.
func (v checkResult) message() (eventID string, published bool) {
	if len(v.released) == 0 {
		return "", false
	}
	return v.released[0].EventID, !slices.ContainsFunc(v.released, func(r *release) bool { return !r.published })
}

// wait returns when all that was released is published or left to the sweep.
func (v checkResult) wait() {
	for _, r := range v.released {
		<-r.settled
	}
}

// Verdict is the answer of Check.
type Verdict struct {
	Complete  bool
	Triggered string // eventID of the message released, or ""
	Published bool   // with Triggered: the bus has the message; if false, a sweep retries it
	Missing   []window.Shortfall
}

// Check releases the window if it is complete, and otherwise returns the missing events.
// It never releases the window of a service whose trigger has type none.
//
// A service that waits for each correlation key separately checks the windows of one key,
// or (key nil) all windows whose time may have run out.
func (g *Gate) Check(ctx context.Context, key *string) (Verdict, error) {
	if !g.enter() {
		return Verdict{}, errClosing
	}
	defer g.inFlight.Done()
	if err := g.checkKey(key); err != nil {
		return Verdict{}, err
	}
	if g.rules.byKey {
		return g.checkByKey(ctx, key)
	}
	return g.checkWindow(ctx)
}

// checkWindow is Check without the bookkeeping of Close: Sweep, which is in flight already,
// calls it too.
func (g *Gate) checkWindow(ctx context.Context) (Verdict, error) {
	if err := g.observe(ctx); err != nil {
		return Verdict{}, err
	}
	if g.windowed() {
		run := g.startCheck(callerIn(ctx))
		g.inFlight.Go(func() { // Close must wait for the run even if the caller leaves
			<-run.done
			run.verdict.wait()
		})
		select {
		case <-run.done:
		case <-ctx.Done():
			return Verdict{}, unavailable(ctx.Err(), "the check did not end in time")
		}
		v := run.verdict
		v.wait()
		if v.err != nil {
			return Verdict{}, unavailable(v.err, "the window could not be checked")
		}
		if v.complete {
			out := Verdict{Complete: true}
			out.Triggered, out.Published = v.message()
			return out, nil
		}
	}
	r := g.newReading()
	if err := g.probe(ctx, r, g.allEndpoints(), g.since(), 0); err != nil {
		return Verdict{}, unavailable(err, "the window could not be read")
	}
	missing := window.Missing(g.rules.shape.Rules, r.have)
	return Verdict{Complete: len(missing) == 0, Missing: missing}, nil
}

// startCheck returns a check that begins after this call. Calls that arrive while one
// runs share the next. Its context is its own, because it serves many requests.
func (g *Gate) startCheck(by callers) *checkRun {
	if g.alone {
		return ended(g.checkOnce(context.Background()))
	}
	return g.checks.do(by, func(by callers) checkResult {
		ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
		defer cancel()
		ctx, span := by.check(ctx, g)
		result := g.checkOnce(ctx)
		span.End(result.err)
		return result
	})
}

// checkOnce reads the window and claims it if it is complete. A conflict means that another
// instance claimed some of the events first, so it reads what is left and decides again,
// until no claim is lost (docs/decisions/002).
func (g *Gate) checkOnce(ctx context.Context) (v checkResult) {
	defer g.measure(meter.CheckDuration, g.time.Ran(), &v.err)
	for attempt := 0; ; attempt++ {
		since := g.since()
		waiting, mark, err := g.completeWindow(ctx, since)
		if mark != "" && err == nil { // what is left waits until that claim is whole
			if err = g.help(ctx, mark); err == nil {
				return checkResult{gathering: []string{mark}}
			}
		}
		if err != nil && !errors.Is(err, store.ErrConflict) {
			return checkResult{err: err}
		}
		if waiting == nil && err == nil {
			return checkResult{}
		}
		var rel *release
		if err == nil {
			rel, err = g.claim(ctx, taking{refs: waiting, since: since})
		}
		if by, ok := errors.AsType[*gatheringError](err); ok {
			return checkResult{gathering: []string{by.id}, err: g.help(ctx, by.id)}
		}
		if !errors.Is(err, store.ErrConflict) {
			result := checkResult{complete: true, err: err}
			if rel != nil && !rel.repeated { // otherwise this check released nothing
				result.released = []*release{rel}
			}
			return result
		}
		if err := pause(ctx, attempt); err != nil {
			return checkResult{complete: true, err: err}
		}
	}
}

// pause waits for a random time that grows with the attempts. Without it, instances that
// lose claims against each other could collide at every retry.
func pause(ctx context.Context, attempt int) error {
	if attempt == 0 {
		return ctx.Err()
	}
	longest := min(time.Millisecond<<min(attempt, 8), 200*time.Millisecond)
	t := time.NewTimer(rand.N(longest))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// noEndpoint stands for none of the endpoints.
const noEndpoint = -1

// margin is the number of pointers that a check reads beyond an endpoint's need. If the
// answer is shorter than need and margin together, it is the endpoint's whole window, and
// no second query is needed. Most windows are that small.
const margin = 60

// largeNeed is the need above which counting is cheaper than reading: a count costs one
// read per thousand pointers.
const largeNeed = 100

// completeWindow returns the events of every endpoint in the window, or nil if the window
// is not complete. Of a window with more than MaxClaim events it returns only some, but more
// than that. mark names a claim in parts that takes events of the window; then it returns nil.
//
// It first asks about the endpoint that is thought to be short, and stops if it is. An event
// that does not complete the window then costs one small query, however many others wait.
// Otherwise it reads the others, or all, at once.
func (g *Gate) completeWindow(ctx context.Context, since time.Time) (waiting [][]event.Ref, mark string, err error) {
	r, rest := g.newReading(), g.allEndpoints()
	if short := g.guess.short(g.rules.shape.Rules); short != noEndpoint {
		if err := g.probe(ctx, r, rest[short:short+1], since, margin); err != nil || !g.met(r, short) {
			return nil, "", err
		}
		rest = slices.Delete(rest, short, short+1)
	}
	if err := g.probe(ctx, r, rest, since, margin); err != nil || markOf(r.marks) != "" {
		return nil, markOf(r.marks), err
	}
	for _, i := range rest {
		if !g.met(r, i) {
			return nil, "", nil
		}
	}
	g.guess.complete(g.rules.shape.Rules)
	if mark, err := g.readRest(ctx, r.waiting, since); err != nil || mark != "" {
		return nil, mark, err
	}
	for i := range r.waiting { // another instance may have claimed between the two reads
		r.have[i] = len(r.waiting[i])
		if r.have[i] <= g.store.MaxClaim() && !g.met(r, i) {
			return nil, "", nil
		}
	}
	return r.waiting, "", nil
}

// met reports whether an endpoint that was read has enough events.
func (g *Gate) met(r *reading, endpoint int) bool {
	met := g.rules.shape.Rules[endpoint].Met(r.have[endpoint])
	if !met {
		g.guess.read(endpoint, r.have[endpoint])
	}
	return met
}

// reading is what has been read of a window, by endpoint.
type reading struct {
	have    []int         // the number of events, counted no further than a check needs
	waiting [][]event.Ref // all events, or nil if there may be more than were read
	marks   []string      // the claim in parts whose mark is there, or ""
}

func (g *Gate) newReading() *reading {
	n := len(g.endpoints)
	return &reading{make([]int, n), make([][]event.Ref, n), make([]string, n)}
}

// probe reads the endpoints in which, each no further than need and extra.
func (g *Gate) probe(ctx context.Context, r *reading, which []int, since time.Time, extra int) error {
	one := func(ctx context.Context, i int) (err error) {
		need := g.rules.shape.Rules[i].Need
		if need > largeNeed {
			r.have[i], err = g.store.Count(ctx, g.endpoints[i], since, need)
			return err
		}
		refs, err := g.store.Pending(ctx, g.endpoints[i], since, need+extra)
		few := len(refs) < need+extra
		refs, r.marks[i] = unmarked(refs)
		if r.have[i] = len(refs); few {
			r.waiting[i] = notNil(refs)
		}
		return err
	}
	if len(which) == 0 {
		return nil
	}
	eg, ctx := g.group(ctx)
	for _, i := range which[1:] {
		eg.Go(func() error { return one(ctx, i) })
	}
	err := one(ctx, which[0]) // here, because a goroutine for it would have to be woken
	return cmp.Or(eg.Wait(), err)
}

// readRest reads the endpoints whose waiting[i] is nil, which probe did not read whole. It
// reads no more than shows that a window is too large for one claim.
func (g *Gate) readRest(ctx context.Context, waiting [][]event.Ref, since time.Time) (mark string, err error) {
	marks := make([]string, len(g.endpoints))
	eg, ctx := g.group(ctx)
	for i := range waiting {
		if waiting[i] != nil {
			continue
		}
		eg.Go(func() error {
			refs, err := g.store.Pending(ctx, g.endpoints[i], since, g.store.MaxClaim()+2) // one may be a mark
			refs, marks[i] = unmarked(refs)
			waiting[i] = notNil(refs)
			return err
		})
	}
	if err := eg.Wait(); err != nil {
		return "", fmt.Errorf("read the window: %w", err)
	}
	return markOf(marks), nil
}

func (g *Gate) allEndpoints() []int {
	all := make([]int, len(g.endpoints))
	for i := range all {
		all[i] = i
	}
	return all
}

func notNil(refs []event.Ref) []event.Ref {
	if refs == nil {
		return []event.Ref{}
	}
	return refs
}
