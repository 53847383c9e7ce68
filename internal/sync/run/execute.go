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
	"github.com/headgate/headgate/internal/sync/definition"
	"github.com/headgate/headgate/internal/sync/source"
)

// execution is one process's work on a run.
type execution struct {
	svc    *Service
	lease  *holder
	def    *definition.Sync
	run    *Run
	runRev string
	source source.Source
	// handOn is the time at which the rest of the run is left to another invocation; zero: never.
	handOn time.Time
	others *definition.Others
	// committed are the steps as of the last checkpoint. What was counted since is not
	// committed, and must not be reported if the run ends now.
	committed []*Step
	planned   int   // changes of a validation, as of the last checkpoint
	cause     error // of a failure, for the log; nil: the run's errors say all
}

// errHandOn ends this invocation's part of a run at a page boundary.
var errHandOn = errors.New("run: the rest is for another invocation")

// Work works on the run until it has ended, or this invocation's time is up, or
// ctx ends: then it gives up the lease, and another call continues from the last
// checkpoint. It does nothing if another process is at work on the run, or another call
// in this process waits for the memory for it. An error means that the store did not
// answer.
func (s *Service) Work(ctx context.Context, syncID, runID string) (err error) {
	room, ok, err := s.awaitMemory(ctx, runKey{syncID, runID}) // before it has the lease, which would run out
	if err != nil || !ok {
		return err
	}
	defer s.o.Memory.Give(room)
	h, err := s.hold(ctx, syncID, runID)
	if err != nil || h == nil {
		return err
	}
	e := &execution{svc: s, lease: h}
	if _, given := s.given(runKey{syncID, runID}); s.o.MaxInvocation > 0 && !given {
		e.handOn = s.now().Add(s.o.MaxInvocation)
	}
	d, err := s.defs.Get(ctx, syncID)
	if err != nil {
		return err
	}
	e.def, e.others = &d.Sync, s.defs.Others(&d.Sync)
	if e.run, e.runRev, err = s.ledger.readRun(ctx, syncID, runID); err != nil {
		return err
	}
	ctx, span := e.trace(ctx)
	defer func() { e.endTrace(span, err) }()
	if e.run.State == Pending && e.outdated() {
		return e.finish(ctx, Cancelled)
	}
	e.committed = cloneSteps(e.run.Results)
	working, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	h.stop = stop
	// The source is called with this context only. The fence in it asks for the lease before each
	// request. That keep ends the work is not enough: a process that was suspended would send
	// before keep can notice.
	working = fence.With(working, h.allow)
	s.working.Go(func() { h.keep(working) })
	err = e.safely(func() error { return e.runSteps(working) })
	if cause := context.Cause(working); cause != nil && err != nil {
		err = cause
	}
	return e.conclude(ctx, err)
}

// outdated adapts a run that has not begun to a sync that has changed while it waited. It
// reports true if nothing is left to do: a one-time sync has finished.
func (e *execution) outdated() bool {
	e.run.StartedAt = e.svc.clock() // a run may wait for another one, or for memory
	if m, err := methodOf(e.def, e.run.Method); err != nil {
		e.run.Method = Method(e.def.Type)
	} else {
		e.run.Method = m
	}
	if at := e.lease.current().FinishedAt; e.def.IsOneTime && !at.IsZero() && !e.dry() {
		e.run.warn("the sync is a one-time sync and finished at " + at.Format(time.RFC3339) + ", before this run began")
		return true
	}
	return false
}

// awaitMemory waits until this process has the memory for the run, and returns how much
// it took. It reports false if another call waits for the same run.
func (s *Service) awaitMemory(ctx context.Context, run runKey) (room int64, ok bool, err error) {
	s.mu.Lock()
	if s.waiting[run] {
		s.mu.Unlock()
		return 0, false, nil
	}
	s.waiting[run] = true
	s.mu.Unlock()
	room, err = s.o.Memory.Wait(ctx, runMemory)
	s.mu.Lock()
	delete(s.waiting, run)
	s.mu.Unlock()
	return room, true, err
}

// waits reports whether the run waits for memory in this process.
func (s *Service) waits(run runKey) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.waiting[run]
}

// conclude records how the work ended. That has time of its own: a process that shuts
// down still has to give up its lease, or others would wait until it runs out.
func (e *execution) conclude(ctx context.Context, err error) error {
	stopped := ctx.Err() != nil
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	id, runID := e.run.SyncID, e.run.ID
	// The counts go back to the last checkpoint. What came after it was not committed, and a
	// process that continues the run does it again.
	if err != nil {
		e.run.Results = e.committed
	}
	switch {
	case errors.Is(err, errLost):
		e.tookOver()
		return nil
	case errors.Is(err, errHandOn), err != nil && stopped:
		e.run.Plan = e.run.Plan[:min(len(e.run.Plan), e.planned)] // the rest is planned again
		switch err := e.checkpoint(ctx, nil, func(st *syncState) { st.Lease.Owner = "" }); {
		case errors.Is(err, errCancelled):
			return e.finish(ctx, Cancelled)
		case err != nil:
			return err
		}
		if stopped {
			return nil
		}
		return e.svc.dispatch(ctx, id, runID)
	case errors.Is(err, errCancelled):
		return e.finish(ctx, Cancelled)
	case err != nil:
		e.run.Errors = append(e.run.Errors, Explain(err))
		e.cause = err
		return e.finish(ctx, Failed)
	case slices.ContainsFunc(e.run.Results, func(s *Step) bool { return s.State == Failed }):
		return e.finish(ctx, Failed)
	case e.hasRejects():
		return e.finish(ctx, Partial)
	default:
		return e.finish(ctx, Finished)
	}
}

// safely turns a panic into an error. A source that panics must not end the process, and
// with it all else that it does, and then every process that takes the run over.
func (e *execution) safely(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			e.svc.log.Error("a run panicked", "syncId", e.run.SyncID, "runId", e.run.ID, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = fmt.Errorf("run: a panic: %v", p)
		}
	}()
	return f()
}

func (e *execution) hasRejects() bool {
	return slices.ContainsFunc(e.run.Results, func(s *Step) bool { return s.Counts.Rejected > 0 })
}

// Explain returns the message of an error for people. The text of an error that is no
// fault is for the log only: it may hold a credential or what else they must not see.
func Explain(err error) string {
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
	defer e.svc.take(runKey{e.run.SyncID, e.run.ID})
	now := e.svc.clock()
	e.run.sum()
	e.run.end(end, now)
	var next string
	told := ended(ctx, e.svc.o.Outbox, e.run)
	err := e.lease.end(ctx, append(told, e.run.write(e.runRev)), func(st *syncState) {
		st.Lease.Until, st.LastRun = now, e.run.ID
		// The token stays: a holder of long ago must never meet its own token again.
		st.Lease.Owner, st.Lease.RunID, st.Lease.Cancel = "", "", false
		if (end == Finished || end == Partial) && e.run.Method != Validate {
			st.FinishedAt = now
		}
		next = st.promote(now)
	})
	if err == nil {
		e.svc.o.Outbox.Committed(told)
		logEnded(ctx, e.svc.log, e.run, e.cause)
		e.svc.measure(e.run)
	}
	switch {
	case errors.Is(err, errLost):
		e.tookOver()
		return nil
	case err == nil && next != "":
		if err := e.svc.dispatch(ctx, e.run.SyncID, next); err != nil { // TakeOver finds it
			e.svc.log.Warn("a run that waited could not be dispatched; the next sweep starts it", "syncId", e.run.SyncID, "runId", next, "error", err)
		}
	}
	return err
}

// tookOver logs that what this process did since the last checkpoint was in vain.
func (e *execution) tookOver() {
	e.svc.log.Info("another process took the run over", "syncId", e.run.SyncID, "runId", e.run.ID)
}

// checkpoint commits the run as it is, together with the writes and the change.
//
// A run survives the death of its process because of this. The records of a page, its
// rejects, the counts and the place after the page are one commit. A process that takes
// the run over finds either all of the page or nothing of it, and counts no row twice.
func (e *execution) checkpoint(ctx context.Context, writes []store.Write, change func(*syncState)) error {
	_, err := e.commit(ctx, writes, change)
	return err
}

// commit is checkpoint, and returns the revisions of what was written.
func (e *execution) commit(ctx context.Context, writes []store.Write, change func(*syncState)) ([]string, error) {
	e.run.UpdatedAt = e.svc.clock()
	e.run.sum()
	all := append(writes[:len(writes):len(writes)], e.run.write(e.runRev))
	revs, err := e.lease.commit(ctx, all, change)
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

// pause returns the reason to stop, if there is one. It is called between pages.
func (e *execution) pause(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if !e.handOn.IsZero() && !e.svc.now().Before(e.handOn) {
		return errHandOn
	}
	return nil
}

func (e *execution) runSteps(ctx context.Context) (err error) {
	kind, ok := e.svc.kinds.Of(e.def.Datasource)
	if !ok {
		return fault.New(fault.Invalid, "%s", e.svc.kinds.Check(e.def.Datasource)[0].Message)
	}
	e.source, err = e.open(ctx, kind)
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
		m, err := e.def.Mapper(e.svc.kinds, step.Datatype)
		if err != nil {
			return err
		}
		m.Spell(e.lease.current().datatype(step.Datatype).Spelling)
		if step.Phase == definition.Pull {
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

// steps returns a run's steps: all pulls and then all pushes, or the other way round for
// sources that ask for it. Before a pull comes what an earlier push left in doubt.
func (e *execution) steps(kind source.Kind) []*Step {
	method := e.run.Method
	if method == Validate {
		method = Method(e.def.Type)
	}
	phases := []definition.Direction{definition.Pull, definition.Push}
	if kind.PushFirst {
		phases = []definition.Direction{definition.Push, definition.Pull}
	}
	steps := []*Step{}
	if e.def.Pushes() && !e.dry() && (phases[0] == definition.Pull && method == DoBoth || method == DoPull) {
		st := e.lease.current()
		for _, t := range e.def.Datatypes(e.svc.kinds) {
			if st.datatype(t).Doubt {
				steps = append(steps, &Step{Phase: definition.Push, Datatype: t, Settle: true, State: Pending})
			}
		}
	}
	for _, phase := range phases {
		if method != DoBoth && method != Method(phase) {
			continue
		}
		for _, t := range e.def.Datatypes(e.svc.kinds) {
			steps = append(steps, &Step{Phase: phase, Datatype: t, State: Pending})
		}
	}
	return steps
}

// dry reports whether the run only reports what it would do.
func (e *execution) dry() bool { return e.run.Method == Validate }

func (e *execution) plan(c PlannedChange) {
	if len(e.run.Plan) < maxPlan {
		e.run.Plan = append(e.run.Plan, c)
	}
}

// checkDeletes stops a run that would delete too much: a source that was emptied or
// misread by mistake must not empty the store, nor the store the source.
func (e *execution) checkDeletes(n int64, of int, where string) error {
	if n <= e.def.DeleteLimit(of) || e.run.AllowDeletes {
		return nil
	}
	return fault.New(fault.Conflict, "the run would delete %d or more of %d records %s, and stopped before that: "+
		"if it is right, run it again with allowDeletes=true", n, of, where)
}

// checkRejected stops a run that rejects too many rows: most likely the mapping is wrong.
// It is called at the end of a page.
func (e *execution) checkRejected(step *Step) error {
	c, most := step.Counts, e.def.RejectLimit()
	if e.run.Retry || c.Rejected == 0 || float64(c.Rejected) <= most*float64(c.Read) {
		return nil
	}
	return fmt.Errorf("%s %s: %w", step.Phase, step.Datatype,
		fault.New(fault.Invalid, "%d of %d rows were rejected, and %.0f %% is the most (maxRejected)", c.Rejected, c.Read, most*100))
}
