package gate

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate/window"
	"github.com/headgate/headgate/internal/store"
)

// verdict is what a check came to.
type verdict struct {
	complete bool
	released *release // nil: nothing, or nothing that had not been published before
	err      error
}

// published reports whether all that the verdict released has been published. Valid
// after wait.
func (v verdict) published() bool {
	for r := v.released; r != nil; r = r.rest {
		if !r.published {
			return false
		}
	}
	return true
}

// wait returns when what the verdict released is published or left to the sweep.
func (v verdict) wait() {
	for r := v.released; r != nil; r = r.rest {
		<-r.settled
	}
}

// Verdict is the answer of Check.
type Verdict struct {
	Complete  bool
	Triggered string // eventID of the message released, or ""
	Published bool   // with Triggered: the bus has the message, else it is tried again
	Missing   []window.Shortfall
}

// Check releases the window if it is complete, and says what is missing if not.
// A service of type none is never released by it.
func (g *Gate) Check(ctx context.Context) (Verdict, error) {
	if !g.enter() {
		return Verdict{}, errClosing
	}
	defer g.inFlight.Done()
	return g.check(ctx)
}

func (g *Gate) check(ctx context.Context) (Verdict, error) {
	if err := g.observe(ctx); err != nil {
		return Verdict{}, err
	}
	if g.windowed() {
		run := g.startCheck()
		g.inFlight.Go(func() { // even if the caller leaves
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
	have, _, err := g.probe(ctx, g.allEndpoints(), g.since(), 0)
	if err != nil {
		return Verdict{}, unavailable(err, "the window could not be read")
	}
	missing := window.Missing(g.rules, have)
	return Verdict{Complete: len(missing) == 0, Missing: missing}, nil
}

func (g *Gate) startCheck() *checkRun {
	return g.checks.do(func() verdict {
		ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
		defer cancel()
		return g.checkOnce(ctx)
	})
}

// checkOnce decides until a decision stands: a lost claim means that another
// instance was first, and what remains is looked at again.
func (g *Gate) checkOnce(ctx context.Context) verdict {
	for attempt := 0; ; attempt++ {
		waiting, err := g.completeWindow(ctx)
		if err != nil {
			return verdict{err: err}
		}
		if waiting == nil {
			return verdict{}
		}
		rel, err := g.claim(ctx, waiting)
		if !errors.Is(err, store.ErrConflict) {
			return verdict{complete: true, released: rel, err: err}
		}
		if err := pause(ctx, attempt); err != nil {
			return verdict{complete: true, err: err}
		}
	}
}

// pause keeps instances that lost against each other from meeting again.
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

// nobody is no endpoint's index.
const nobody = -1

// margin is how many pointers more than needed are read of a window that looks
// complete: one that is not large is then known whole without a second query.
const margin = 60

// largeNeed is where counting is cheaper than reading: a count costs one read per
// thousand.
const largeNeed = 100

// completeWindow returns the events of every endpoint in the window, or nil if
// it is not complete. It begins with the endpoint that was short last time and
// stops if it still is, so that an event which completes nothing costs one small
// query however many others wait. After a window that was complete there is no
// suspect, and under load the next is likely complete: all are read at once.
func (g *Gate) completeWindow(ctx context.Context) ([][]event.Ref, error) {
	since := g.since()
	rest := g.allEndpoints()
	if suspect := int(g.suspect.Load()); suspect != nobody {
		have, _, err := g.probe(ctx, []int{suspect}, since, 0)
		if err != nil || have[suspect] < g.rules[suspect].Need {
			return nil, err
		}
	}
	have, waiting, err := g.probe(ctx, rest, since, margin)
	if err != nil {
		return nil, err
	}
	for _, i := range rest {
		if have[i] < g.rules[i].Need {
			g.suspect.Store(int64(i))
			return nil, nil
		}
	}
	g.suspect.Store(nobody)
	if err := g.readRest(ctx, waiting, since); err != nil {
		return nil, err
	}
	for i := range waiting { // between the two reads another instance may have claimed
		if len(waiting[i]) < g.rules[i].Need {
			g.suspect.Store(int64(i))
			return nil, nil
		}
	}
	return waiting, nil
}

// probe finds how many events wait at each endpoint named, as far as its need and
// extra go. waiting[i] is nil where there may be more events than were read.
func (g *Gate) probe(ctx context.Context, which []int, since time.Time, extra int) (have []int, waiting [][]event.Ref, err error) {
	have, waiting = make([]int, len(g.rules)), make([][]event.Ref, len(g.rules))
	one := func(ctx context.Context, i int) (err error) {
		need := g.rules[i].Need
		if need > largeNeed {
			have[i], err = g.store.Count(ctx, g.endpoints[i], since, need)
			return err
		}
		refs, err := g.store.Pending(ctx, g.endpoints[i], since, need+extra)
		if have[i] = len(refs); len(refs) < need+extra {
			waiting[i] = notNil(refs)
		}
		return err
	}
	if len(which) == 1 {
		return have, waiting, one(ctx, which[0])
	}
	eg, ctx := errgroup.WithContext(ctx)
	for _, i := range which {
		eg.Go(func() error { return one(ctx, i) })
	}
	return have, waiting, eg.Wait()
}

// readRest reads the endpoints that a probe did not read whole.
func (g *Gate) readRest(ctx context.Context, waiting [][]event.Ref, since time.Time) error {
	eg, ctx := errgroup.WithContext(ctx)
	for i := range waiting {
		if waiting[i] != nil {
			continue
		}
		eg.Go(func() error {
			refs, err := g.store.Pending(ctx, g.endpoints[i], since, 0)
			waiting[i] = notNil(refs)
			return err
		})
	}
	if err := eg.Wait(); err != nil {
		return fmt.Errorf("read the window: %w", err)
	}
	return nil
}

func (g *Gate) allEndpoints() []int {
	all := make([]int, len(g.rules))
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
