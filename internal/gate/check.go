package gate

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate/window"
	"github.com/headgate/headgate/internal/platform/meter"
	"github.com/headgate/headgate/internal/store"
)

// checkResult is the result of one check. All callers that share the check share it.
type checkResult struct {
	complete bool
	released *release // nil: nothing was released, or all of it had been published before
	err      error
	// gathering names the claims in parts that take events of the scope.
	gathering []string
}

// and returns the result of two checks: what the first one released, and any error.
func (v checkResult) and(other checkResult) checkResult {
	if v.released == nil {
		v.released = other.released
	}
	if v.err == nil {
		v.err = other.err
	}
	v.complete = v.complete || other.complete
	return v
}

// published reports whether every part of the release has been published. Call wait first.
func (v checkResult) published() bool {
	for r := v.released; r != nil; r = r.rest {
		if !r.published {
			return false
		}
	}
	return true
}

// wait returns when every part of the release is published or left to the sweep.
func (v checkResult) wait() {
	for r := v.released; r != nil; r = r.rest {
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
			if v.released != nil {
				out.Triggered, out.Published = v.released.EventID, v.published()
			}
			return out, nil
		}
	}
	have, _, _, err := g.probe(ctx, g.allEndpoints(), g.since(), 0)
	if err != nil {
		return Verdict{}, unavailable(err, "the window could not be read")
	}
	missing := window.Missing(g.rules.shape.Rules, have)
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
		if rel != nil && rel.repeated {
			rel = nil // this check released nothing
		}
		if !errors.Is(err, store.ErrConflict) {
			return checkResult{complete: true, released: rel, err: err}
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

// noEndpoint is the suspect when no endpoint is known to be short.
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
// It first asks about the endpoint that was short last time (the suspect), and stops if
// that is still short. An event that does not complete the window then costs one small
// query, however many others wait. After a complete window there is no suspect. Under load
// the next window is likely complete too, so all endpoints are read at once.
func (g *Gate) completeWindow(ctx context.Context, since time.Time) (waiting [][]event.Ref, mark string, err error) {
	rest := g.allEndpoints()
	if suspect := int(g.suspect.Load()); suspect != noEndpoint {
		have, _, _, err := g.probe(ctx, []int{suspect}, since, 0)
		if err != nil || !g.rules.shape.Rules[suspect].Met(have[suspect]) {
			return nil, "", err
		}
	}
	have, waiting, mark, err := g.probe(ctx, rest, since, margin)
	if err != nil || mark != "" {
		return nil, mark, err
	}
	for _, i := range rest {
		if !g.rules.shape.Rules[i].Met(have[i]) {
			g.suspect.Store(int64(i))
			return nil, "", nil
		}
	}
	g.suspect.Store(noEndpoint)
	if mark, err := g.readRest(ctx, waiting, since); err != nil || mark != "" {
		return nil, mark, err
	}
	for i := range waiting { // another instance may have claimed between the two reads
		if n := len(waiting[i]); n <= g.store.MaxClaim() && !g.rules.shape.Rules[i].Met(n) {
			g.suspect.Store(int64(i))
			return nil, "", nil
		}
	}
	return waiting, "", nil
}

// probe returns how many events wait at each of the endpoints in which, counting no
// further than need and extra. waiting[i] holds the endpoint's events, or nil if there may
// be more than it read. mark names a claim in parts whose mark it has read.
func (g *Gate) probe(ctx context.Context, which []int, since time.Time, extra int) (have []int, waiting [][]event.Ref, mark string, err error) {
	have, waiting = make([]int, len(g.endpoints)), make([][]event.Ref, len(g.endpoints))
	marks := make([]string, len(g.endpoints))
	one := func(ctx context.Context, i int) (err error) {
		need := g.rules.shape.Rules[i].Need
		if need > largeNeed {
			have[i], err = g.store.Count(ctx, g.endpoints[i], since, need)
			return err
		}
		refs, err := g.store.Pending(ctx, g.endpoints[i], since, need+extra)
		few := len(refs) < need+extra
		refs, marks[i] = unmarked(refs)
		if have[i] = len(refs); few {
			waiting[i] = notNil(refs)
		}
		return err
	}
	if len(which) == 1 {
		err := one(ctx, which[0])
		return have, waiting, markOf(marks), err
	}
	eg, ctx := g.group(ctx)
	for _, i := range which {
		eg.Go(func() error { return one(ctx, i) })
	}
	err = eg.Wait()
	return have, waiting, markOf(marks), err
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
