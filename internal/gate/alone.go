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

// group runs several reads, concurrently or one after the other. Wait returns the first error.
type group interface {
	Go(do func() error)
	Wait() error
}

// group returns a group whose context ends with the first error. In a simulation it does one
// thing after the other.
func (g *Gate) group(ctx context.Context) (group, context.Context) {
	if g.alone {
		return new(sequence), ctx
	}
	return errgroup.WithContext(ctx)
}

// sequence is a group that does nothing more after an error.
type sequence struct{ err error }

// Go calls do at once.
func (s *sequence) Go(do func() error) {
	if s.err == nil {
		s.err = do()
	}
}

// Wait returns the first error.
func (s *sequence) Wait() error { return s.err }
