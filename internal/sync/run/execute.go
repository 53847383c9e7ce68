package run

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/fence"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/sync/mapping"
	"github.com/headgate/headgate/internal/sync/source"
)

// execution is one process's work on a run.
type execution struct {
	*Service
	h      *holder
	def    *Sync
	run    *Run
	runRev string
	source source.Source
	// handOn is when the rest is for another invocation; zero: never.
	handOn time.Time
	others othersCache
	// deleted are the conflicts about rows that were deleted, where the rule is manual.
	deleted map[string]bool
	// committed are the steps as of the last checkpoint: what was counted since
	// did not happen if the run ends now.
	committed []*Step
	planned   int // changes of a validation, as of then
}

// errHandOn ends this invocation's part of a run at a page boundary.
var errHandOn = errors.New("syncrun: the rest is for another invocation")

// Work works on the run until it has ended, or this invocation's time is up, or
// ctx ends: then it gives up the lease, and another call goes on from the last
// checkpoint. It does nothing if another process is at work on the run. An error
// means that the store did not answer.
func (s *Service) Work(ctx context.Context, syncID, runID string) error {
	room, err := s.o.Memory.Wait(ctx, runMemory) // for its turn, before it has the lease
	if err != nil {
		return err
	}
	defer s.o.Memory.Give(room)
	h, err := s.hold(ctx, syncID, runID)
	if err != nil || h == nil {
		return err
	}
	e := &execution{Service: s, h: h}
	if s.o.MaxInvocation > 0 {
		e.handOn = s.now().Add(s.o.MaxInvocation)
	}
	d, err := s.Sync(ctx, syncID)
	if err != nil {
		return err
	}
	e.def = &d.Sync
	if e.run, e.runRev, err = s.readRun(ctx, syncID, runID); err != nil {
		return err
	}
	e.committed = cloneSteps(e.run.Results)
	working, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	h.stop = stop
	working = fence.With(working, h.allow)
	s.working.Go(func() { h.keep(working) })
	err = e.safely(func() error { return e.work(working) })
	if cause := context.Cause(working); cause != nil && err != nil {
		err = cause
	}
	return e.conclude(ctx, err)
}

// conclude records how the work ended. What it records outlasts ctx.
func (e *execution) conclude(ctx context.Context, err error) error {
	stopped := ctx.Err() != nil
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	id, runID := e.run.SyncID, e.run.ID
	if err != nil {
		e.run.Results = e.committed
	}
	switch {
	case errors.Is(err, errLost):
		e.tookOver()
		return nil
	case errors.Is(err, errHandOn), err != nil && stopped:
		e.run.Plan = e.run.Plan[:min(len(e.run.Plan), e.planned)] // the rest is planned again
		switch err := e.checkpoint(ctx, nil, func(st *state) { st.Lease.Owner = "" }); {
		case errors.Is(err, errCancelled):
			return e.finish(ctx, Cancelled)
		case err != nil:
			return err
		}
		if stopped {
			return nil
		}
		return e.dispatch(ctx, id, runID)
	case errors.Is(err, errCancelled):
		return e.finish(ctx, Cancelled)
	case err != nil:
		e.run.Errors = append(e.run.Errors, message(err))
		e.log.Warn("a run failed", "syncId", id, "runId", runID, "error", err)
		return e.finish(ctx, Failed)
	case e.rejected():
		return e.finish(ctx, Partial)
	default:
		return e.finish(ctx, Finished)
	}
}

// safely makes an error of a panic: one of a source must not end the process, and
// with it all else that it does, and come again with whoever takes the run over.
func (e *execution) safely(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			e.log.Error("a run panicked", "syncId", e.run.SyncID, "runId", e.run.ID, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = fmt.Errorf("syncrun: a panic: %v", p)
		}
	}()
	return f()
}

func (e *execution) rejected() bool {
	return slices.ContainsFunc(e.run.Results, func(s *Step) bool { return s.Counts.Rejected > 0 })
}

// message is what people are told of an error. Anything but a fault could hold
// what they should not see.
func message(err error) string {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f.Message
	}
	if errors.Is(err, source.ErrReadOnly) {
		return "the data source takes no changes: nothing can be pushed to it"
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "the data source or the store did not answer in time"
	}
	return "internal error; the log has its cause"
}

func (e *execution) finish(ctx context.Context, end State) error {
	now := e.clock()
	e.run.sum()
	e.run.end(end, now)
	err := e.h.end(ctx, []store.Write{e.run.write(e.runRev)}, func(st *state) {
		st.Lease.Until, st.LastRun = now, e.run.ID
		// The token lives on: a holder of long ago must never meet its own again.
		st.Lease.Owner, st.Lease.RunID, st.Lease.Cancel = "", "", false
		if (end == Finished || end == Partial) && e.run.Method != Validate {
			st.FinishedAt = now
		}
	})
	if errors.Is(err, errLost) {
		e.tookOver()
		return nil
	}
	return err
}

// tookOver says that what this process did since the last checkpoint counts for nothing.
func (e *execution) tookOver() {
	e.log.Info("another process took the run over", "syncId", e.run.SyncID, "runId", e.run.ID)
}

// checkpoint commits the run as it is, together with the writes and the change.
func (e *execution) checkpoint(ctx context.Context, writes []store.Write, change func(*state)) error {
	_, err := e.commit(ctx, writes, change)
	return err
}

// commit is checkpoint, and returns the revisions of what was written.
func (e *execution) commit(ctx context.Context, writes []store.Write, change func(*state)) ([]string, error) {
	e.run.UpdatedAt = e.clock()
	e.run.sum()
	all := append(writes[:len(writes):len(writes)], e.run.write(e.runRev))
	revs, err := e.h.commit(ctx, all, change)
	if err != nil {
		return nil, err
	}
	e.runRev, e.committed, e.planned = revs[len(writes)], cloneSteps(e.run.Results), len(e.run.Plan)
	return revs[:len(writes)], nil
}

// cloneSteps copies what changes of the steps.
func cloneSteps(steps []*Step) []*Step {
	out := make([]*Step, len(steps))
	for i, s := range steps {
		c := *s
		out[i] = &c
	}
	return out
}

// pause is checked between pages.
func (e *execution) pause(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if !e.handOn.IsZero() && !e.now().Before(e.handOn) {
		return errHandOn
	}
	return nil
}

func (e *execution) work(ctx context.Context) (err error) {
	kind, ok := e.kinds[e.def.Datasource.Type]
	if !ok {
		return fault.New(fault.Invalid, "%s", e.kinds.Check(e.def.Datasource)[0].Message)
	}
	e.source, err = kind.Open(ctx, e.def.Datasource, e.o.Env)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.source.Close()) }()

	e.run.State = Running
	e.run.Invocations++
	if len(e.run.Results) == 0 {
		e.run.Results = e.steps(kind)
		if e.run.Retry {
			if e.run.Results, err = e.retrySteps(ctx); err != nil {
				return err
			}
		}
	}
	if err := e.checkpoint(ctx, nil, nil); err != nil {
		return err
	}
	for _, step := range e.run.Results {
		if step.State.Ended() {
			continue
		}
		step.State = Running
		m, faults := mapping.New(step.Datatype, e.def.Mapping[step.Datatype], defaultsOf(kind, step.Datatype))
		if len(faults) > 0 {
			return invalid(faults...)
		}
		if step.Phase == Pull {
			err = e.pull(ctx, step, m)
		} else {
			err = e.push(ctx, step, m)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// steps are a run's phases: all pulls and then all pushes, or the other way
// round where the source wants it so; and before a pull, what an earlier push
// left in doubt.
func (e *execution) steps(kind source.Kind) []*Step {
	method := e.run.Method
	if method == Validate {
		method = Method(e.def.Type)
	}
	phases := []Direction{Pull, Push}
	if kind.PushFirst {
		phases = []Direction{Push, Pull}
	}
	steps := []*Step{}
	if e.def.pushes() && !e.dry() && (phases[0] == Pull && method == DoBoth || method == DoPull) {
		st := e.h.current()
		for _, t := range e.def.datatypes(e.kinds) {
			if st.of(t).Doubt {
				steps = append(steps, &Step{Phase: Push, Datatype: t, Settle: true, State: Pending})
			}
		}
	}
	for _, phase := range phases {
		if method != DoBoth && method != Method(phase) {
			continue
		}
		for _, t := range e.def.datatypes(e.kinds) {
			steps = append(steps, &Step{Phase: phase, Datatype: t, State: Pending})
		}
	}
	return steps
}

// dry is whether the run only says what it would do.
func (e *execution) dry() bool { return e.run.Method == Validate }

func (e *execution) plan(c PlannedChange) {
	if len(e.run.Plan) < maxPlan {
		e.run.Plan = append(e.run.Plan, c)
	}
}

// othersCache remembers for a moment which datatypes other syncs push.
type othersCache struct {
	at    time.Time
	types map[string]bool
}

// pushedByOthers is whether another sync of the organisation pushes the datatype:
// then the records that this one changes take their place in the order that
// pushes read.
func (e *execution) pushedByOthers(ctx context.Context, datatype string) (bool, error) {
	if now := e.now(); e.others.types == nil || now.Sub(e.others.at) > 2*time.Second {
		all, err := e.Syncs(ctx, e.def.OrgID)
		if err != nil {
			return false, err
		}
		e.others = othersCache{at: now, types: make(map[string]bool)}
		for _, d := range all {
			if d.Sync.ID == e.def.ID || !d.Sync.pushes() {
				continue
			}
			for _, t := range d.Sync.datatypes(e.kinds) {
				e.others.types[t] = true
			}
		}
	}
	return e.others.types[datatype], nil
}

// tooMany is the fault of a run that would delete too much.
func tooManyDeletes(n int64, of int, where string) error {
	return fault.New(fault.Conflict, "the run would delete %d or more of %d records %s, and stopped before that: "+
		"if it is right, run it again with allowDeletes=true", n, of, where)
}

// deletable is how many records a run may delete unasked.
func (s *Sync) deletable(of int) int64 { return max(10, int64(float64(of)*s.maxDeletes()/100)) }

func tooManyRejected(c Counts, most float64) error {
	return fault.New(fault.Invalid, "%d of %d rows were rejected, and %.0f %% is the most (maxRejected)", c.Rejected, c.Read, most*100)
}

// checkRejected is asked at the end of a page.
func (e *execution) checkRejected(step *Step) error {
	c := step.Counts
	if e.run.Retry {
		return nil
	}
	if c.Rejected > 0 && float64(c.Rejected) > e.def.maxRejected()*float64(c.Read) {
		return fmt.Errorf("%s %s: %w", step.Phase, step.Datatype, tooManyRejected(c, e.def.maxRejected()))
	}
	return nil
}
