package gate

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/headgate/headgate/internal/event"
)

// ended returns a check that has ended.
func ended(v checkResult) *checkRun {
	run := &checkRun{verdict: v, done: make(chan struct{})}
	close(run.done)
	return run
}

// named returns the id of an event with the name. A recorded event that its source had named
// keeps its id if only a rule gives the name: the rule had no say. But one whose id had to
// make room for a later event of that name gets its id back.
func (g *Gate) named(e *Incoming, name string, now time.Time) string {
	id := event.DeriveID(g.svc.ServiceName, e.EventKey, name)
	recorded := event.Ref{ID: e.ID, ReceivedAt: now}
	if e.ID == "" || e.IdempotencyKey != "" || recorded.Unnamed() || event.ArchivedID(id, now) == e.ID {
		return id
	}
	return e.ID
}

// bounded returns a context that belongs to no caller, and ends after the time. In a
// simulation it never ends: what it decides must not depend on how fast the machine is.
func (g *Gate) bounded(d time.Duration) (context.Context, context.CancelFunc) {
	if g.alone {
		return context.Background(), func() {}
	}
	return context.WithTimeout(context.Background(), d)
}

// spawn calls do in a goroutine of its own, or at once in a simulation.
func (g *Gate) spawn(do func()) {
	if g.alone {
		do()
		return
	}
	go do()
}

// atOnce calls do for the numbers below n, all at once, and returns the first error. In a
// simulation it calls one after the other.
func (g *Gate) atOnce(ctx context.Context, n int, do func(context.Context, int) error) error {
	if g.alone {
		for i := range n {
			if err := do(ctx, i); err != nil {
				return err
			}
		}
		return nil
	}
	eg, ctx := errgroup.WithContext(ctx)
	for i := range n {
		eg.Go(func() error { return do(ctx, i) })
	}
	return eg.Wait()
}
