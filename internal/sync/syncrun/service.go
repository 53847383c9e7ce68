// Package syncrun runs syncs: it pulls rows from a data source into the store's
// records and pushes records back, and keeps the definitions and the runs.
//
// Invariants:
//
//   - One run of a sync works at a time, on one process: a lease with a fencing
//     token, which every commit of the run is conditional on.
//   - A page's records, its rejects, the run's counts and where it goes on are
//     one commit. A process that dies at any instant repeats at most one page,
//     and a repeated page changes nothing.
//   - A run never stays running: when its lease runs out, another process takes
//     it over at its last checkpoint.
//   - Rows that are bad are kept as rejects and never stop a run by themselves.
//   - What we sent is never taken for a change by the source. Whatever part of a push
//     nobody heard of, a pull that finds its values does not overwrite what people wrote
//     here since, and the next push brings that to the source. So each batch is kept
//     before it leaves, and forgotten in the commit that settles it. A row that has
//     neither what both sides agreed on nor what was sent was changed by the source: the
//     rule decides, and the run counts a conflict.
//
// On failure: an error of the source or the store ends the run as failed, with
// everything up to the last checkpoint applied; the next run goes on from there.
package syncrun

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/headgate/headgate/internal/platform/budget"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/shutdown"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/sync/source"
)

const (
	// leaseTime is how long a dead process holds its sync. It is renewed four
	// times as often, and by every checkpoint.
	leaseTime = 15 * time.Second
	// pageSize is the rows of a page; a store that takes less a commit gets less.
	pageSize = 2_000
	// runMemory is what a run holds: the page that is applied, the next one and the one
	// that is read meanwhile, as rows, as records and as documents, and beside them a row
	// that is read before its length is known: 32 MiB of SQLite.
	runMemory = 24 * source.PageBytes
)

// Options are what a Service works with.
type Options struct {
	Docs  store.Docs
	Kinds source.Registry
	// Env is what sources get.
	Env source.Env
	Log *slog.Logger
	Now func() time.Time // nil: time.Now
	// Machine is the machine's clock as it is, with both of its readings, the wall clock's
	// and the monotonic one: a run that sends asks both. Now may hide a jump for
	// minutes, which is right for what is stored and wrong for what leaves. nil: Now.
	Machine func() time.Time
	// Random returns an id that no other call has returned.
	Random func() string
	// Dispatch has some process call Work for the run, soon: this one, or in the
	// cloud a new invocation. nil: this one.
	Dispatch func(ctx context.Context, syncID, runID string) error
	// MaxInvocation is how long one call of Work may take before it hands the run
	// on; 0: as long as it takes.
	MaxInvocation time.Duration
	// Changed is told of records that changed, after their commit. May be nil.
	Changed func(org, datatype string, ids []string)
	// Memory bounds the runs that this process works on at once; nil does not.
	Memory *budget.Budget
	// Moved is told that a sync's run or its conflicts are not as they were, or its
	// definition. It must not block. May be nil.
	Moved func(syncID string, definition bool)
}

// Service is the use case. All methods may be called concurrently.
type Service struct {
	o      Options
	docs   store.Docs
	kinds  source.Registry
	log    *slog.Logger
	now    func() time.Time
	raw    func() time.Time // the machine's clock
	random func() string

	mu          sync.Mutex
	lookedAtAll time.Time // when Due last looked at what is not due
	waiting     map[runKey]bool

	stop    context.CancelFunc
	stopped context.Context
	working sync.WaitGroup
}

// runKey names a run that waits for memory in this process. It holds no lease yet, so
// every look for dead runs finds it.
type runKey struct{ syncID, runID string }

// New returns a service. It starts nothing.
func New(o Options) *Service {
	s := &Service{
		o: o, docs: o.Docs, kinds: o.Kinds, log: o.Log, now: o.Now, raw: o.Machine, random: o.Random,
		waiting: make(map[runKey]bool),
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.raw == nil {
		s.raw = s.now
	}
	if s.o.Moved == nil {
		s.o.Moved = func(string, bool) {}
	}
	s.stopped, s.stop = context.WithCancel(context.Background())
	return s
}

// Close stops the runs of this process at their next page, for another to take
// over, and waits for that or for ctx.
func (s *Service) Close(ctx context.Context) error {
	s.stop()
	return shutdown.Wait(ctx, &s.working)
}

// Locally is whether the process that starts a run works on it, too.
func (s *Service) Locally() bool { return s.o.Dispatch == nil }

// clock returns the time as the store keeps it.
func (s *Service) clock() time.Time { return s.now().UTC().Truncate(time.Microsecond) }

// dispatch has the run worked on.
func (s *Service) dispatch(ctx context.Context, syncID, runID string) error {
	if s.o.Dispatch != nil {
		return s.o.Dispatch(ctx, syncID, runID)
	}
	if s.stopped.Err() != nil {
		return fault.New(fault.Unavailable, "this process is shutting down; send the request again")
	}
	s.working.Go(func() {
		if err := s.Work(s.stopped, syncID, runID); err != nil {
			s.log.Error("a run stopped: it will be taken over", "syncId", syncID, "runId", runID, "error", err)
		}
	})
	return nil
}
