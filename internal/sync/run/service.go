// Package run runs syncs: it pulls rows from a data source into the store's records,
// and pushes records back.
//
// Invariants:
//
//   - One run of a sync is at work at a time, in one process. It holds a lease with a
//     fencing token, and every commit of the run is conditional on that token.
//   - A page's records, its rejects, the run's counts and the place where the run goes
//     on are one commit, the checkpoint. A process that dies at any instant repeats at
//     most one page, and a repeated page changes nothing.
//   - No run stays running: when its lease runs out, another process takes it over at
//     its last checkpoint.
//   - A bad row is kept as a reject. A single one never stops a run.
//   - A value that we sent is never taken for a change by the source. A push may end without
//     an answer; a pull that finds its values then does not overwrite what people wrote here
//     since, and the next push sends that. So each batch is stored before it is sent, and
//     forgotten in the commit that settles it. A row that has neither what both sides agreed
//     on nor what was sent was changed by the source: the rule decides, and the run counts a
//     conflict.
//
// On failure: an error of the source or the store ends the run as failed, with
// everything up to the last checkpoint applied; the next run continues from there.
package run

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/headgate/headgate/internal/platform/budget"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/meter"
	"github.com/headgate/headgate/internal/platform/shutdown"
	"github.com/headgate/headgate/internal/platform/trace"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/sync/definition"
	"github.com/headgate/headgate/internal/sync/source"
	"github.com/headgate/headgate/internal/webhook/occurrence"
)

const (
	// pageSize is the number of rows of a page; fewer where the store takes fewer in a commit.
	pageSize = 2_000
	// runMemory is the memory that a run takes: the page that is applied, the next one
	// and the one that is read meanwhile, each as rows, as records and as documents. A row
	// that is read before its length is known comes on top: 32 MiB of SQLite.
	runMemory = 24 * source.PageBytes
)

// Options configure a Service.
type Options struct {
	Docs        store.Docs
	Definitions *definition.Service
	Kinds       source.Registry
	// Env is passed to sources when they are opened.
	Env source.Env
	Log *slog.Logger
	Now func() time.Time // nil: time.Now
	// Machine returns the machine's time with both of its readings, the wall clock's and
	// the monotonic one. Before a run sends anything, it compares both with its lease.
	// Now is not fit for that: it may hide a jump of the clock for minutes, which is
	// right for times that are stored. nil: Now.
	Machine func() time.Time
	// Sleep waits, or returns the reason why ctx ended; nil: with a timer. A run waits with it
	// when its source allows no more calls for now.
	Sleep func(ctx context.Context, d time.Duration) error
	// Random returns an id that no other call has returned.
	Random func() string
	// Dispatch makes some process call Work for the run soon: in the cloud a new
	// invocation. nil: this process does.
	Dispatch func(ctx context.Context, syncID, runID string) error
	// MaxInvocation bounds one call of Work, which then hands the run on; 0: there is no
	// limit.
	MaxInvocation time.Duration
	// RecordsChanged is called with the records that a commit changed. May be nil.
	RecordsChanged func(ctx context.Context, org, datatype string, ids []string)
	// Outbox takes what others subscribe to: changes of records, and runs that went wrong. nil:
	// nobody does.
	Outbox *occurrence.Outbox
	// Meter takes the measurements of runs. nil: nobody does.
	Meter *meter.Meter
	// Memory bounds the runs that this process works on at once; nil: no bound.
	Memory *budget.Budget
	// Tracer records spans; nil: none are recorded.
	Tracer *trace.Tracer
	// StatusChanged is called after a sync's run or its conflicts changed. It must not
	// block. May be nil.
	StatusChanged func(syncID string)
}

// Service is the use case. All methods may be called concurrently.
type Service struct {
	o       Options
	docs    store.Docs
	defs    *definition.Service
	ledger  *Ledger
	kinds   source.Registry
	log     *slog.Logger
	now     func() time.Time
	machine func() time.Time
	random  func() string

	mu          sync.Mutex
	lookedAtAll time.Time // when Due last looked at syncs that are not due
	waiting     map[runKey]bool
	credentials map[runKey]source.Credentials // of runs that this process works on

	stop    context.CancelFunc
	stopped context.Context
	working sync.WaitGroup
}

// runKey names a run that waits for memory in this process. It holds no lease yet, so
// TakeOver finds it each time that it looks for runs whose process died.
type runKey struct{ syncID, runID string }

// New returns a service. It starts nothing.
func New(o Options) *Service {
	s := &Service{
		o: o, docs: o.Docs, defs: o.Definitions, kinds: o.Kinds, log: o.Log, now: o.Now, machine: o.Machine, random: o.Random,
		waiting: make(map[runKey]bool), credentials: make(map[runKey]source.Credentials),
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.machine == nil {
		s.machine = s.now
	}
	if s.o.Sleep == nil {
		s.o.Sleep = sleep
	}
	if s.o.StatusChanged == nil {
		s.o.StatusChanged = func(string) {}
	}
	if s.o.RecordsChanged == nil {
		s.o.RecordsChanged = func(context.Context, string, string, []string) {}
	}
	s.ledger = NewLedger(s.docs, s.now)
	s.stopped, s.stop = context.WithCancel(context.Background())
	return s
}

// Close stops the runs of this process at their next page, so that another can take them
// over, and waits for that or for ctx.
func (s *Service) Close(ctx context.Context) error {
	s.stop()
	return shutdown.Wait(ctx, &s.working)
}

// Locally reports whether the process that starts a run works on it, too.
func (s *Service) Locally() bool { return s.o.Dispatch == nil }

// clock returns the time at the store's precision.
func (s *Service) clock() time.Time { return clockOf(s.now) }

// dispatch makes some process work on the run.
func (s *Service) dispatch(ctx context.Context, syncID, runID string) error {
	if _, given := s.given(runKey{syncID, runID}); s.o.Dispatch != nil && !given {
		return s.o.Dispatch(ctx, syncID, runID)
	}
	if s.stopped.Err() != nil {
		return fault.New(fault.Unavailable, "this process is shutting down; send the request again")
	}
	s.working.Go(func() {
		if err := s.Work(s.stopped, syncID, runID); err != nil {
			s.log.Error("a run stopped; another process will take it over", "syncId", syncID, "runId", runID, "error", err)
		}
	})
	return nil
}
