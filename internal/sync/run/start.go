package run

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/trace"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/sync/definition"
	"github.com/headgate/headgate/internal/sync/source"
)

// Start describes the run to start.
type Start struct {
	Method  Method // "": the sync's type decides
	Trigger string // request, schedule, message, webhook, command
	// EventID is that of the message that asks for the run. A message starts one run,
	// however often it is delivered.
	EventID string
	once    string // the run's id, for a run that must start only once
	// AllowDeletes lets the run delete however much is gone on the other side.
	AllowDeletes bool
	// Credentials hold for this run alone; nil: those of the definition.
	Credentials *source.Credentials
	// Retry runs over the rejects instead of the source.
	Retry bool
	// With are documents that are committed exactly if the run is. If one of them has
	// changed, the start returns store.ErrConflict.
	With  []store.Write
	queue bool // see Queue

	traceparent string // of the request
}

// Busy is the error of a start while another run of the sync is at work.
type Busy struct{ Run *Run }

func (b *Busy) Error() string { return "run " + b.Run.ID + " is at work" }

// Start starts a run and returns it, pending. A run that was started for the same event
// is returned as it is. Conflict: the sync is a one-time sync that has finished, or
// another run is at work; the error then wraps a *Busy.
func (s *Service) Start(ctx context.Context, id string, o Start) (*Run, error) {
	d, err := s.defs.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	if o.Method, err = methodOf(&d.Sync, o.Method); err != nil {
		return nil, err
	}
	if o.Credentials != nil {
		if err := s.takesCredentials(d.Sync.Datasource); err != nil {
			return nil, err
		}
	}
	o.traceparent = trace.Parent(ctx)
	if o.EventID != "" {
		o.once = "event-" + o.EventID
	}
	runID := o.once
	if runID == "" {
		runID = s.random()
	}
	s.lend(runKey{id, runID}, o.Credentials) // before the run is stored: from then on it is found
	for {
		run, err := s.tryStart(ctx, d, runID, o)
		if errors.Is(err, store.ErrConflict) {
			changed, failed := s.changed(ctx, o.With)
			if failed != nil {
				return nil, failed
			}
			if !changed {
				continue // another process was faster: look again
			}
		}
		if err != nil {
			s.take(runKey{id, runID})
			return run, err
		}
		if run.State == Pending && !run.waits {
			if err := s.dispatch(ctx, id, run.ID); err != nil {
				// The run is stored. TakeOver finds it as it finds runs whose process died.
				s.log.Error("a run could not be dispatched; it starts when its lease has run out", "syncId", id, "runId", run.ID, "error", err)
			}
		}
		return run, nil
	}
}

// methodOf checks that a run of the sync may have the method, or chooses one.
func methodOf(s *definition.Sync, m Method) (Method, error) {
	switch {
	case m == "":
		return Method(s.Type), nil
	case m == Validate, m == DoPull && s.Pulls(), m == DoPush && s.Pushes(), m == DoBoth && s.Type == definition.Both:
		return m, nil
	default:
		return "", fault.New(fault.Invalid, "method %s: the sync is of type %s", m, s.Type)
	}
}

// tryStart makes one attempt. store.ErrConflict: try again.
//
// The new run, the end of a dead one and the lease are one commit, conditional on the
// state that was read. So of several processes that start at once, one succeeds.
func (s *Service) tryStart(ctx context.Context, d *definition.Stored, runID string, o Start) (*Run, error) {
	id := d.Sync.ID
	if o.once != "" {
		if run, err := s.Run(ctx, id, runID); err == nil || fault.CodeOf(err) != fault.NotFound {
			return run, err
		}
	}
	st, err := s.ledger.readState(ctx, id)
	if err != nil {
		return nil, err
	}
	links, err := s.relinked(ctx, &d.Sync)
	if err != nil {
		return nil, err
	}
	now := s.clock()
	if d.Sync.IsOneTime && !st.FinishedAt.IsZero() && o.Method != Validate {
		return nil, fault.New(fault.Conflict, "the sync is a one-time sync and finished at %s", st.FinishedAt.Format(time.RFC3339))
	}
	writes, died := links, (*Run)(nil)
	if old := st.Lease; old != nil {
		before, rev, err := s.ledger.readRun(ctx, id, old.RunID)
		if err != nil && fault.CodeOf(err) != fault.NotFound {
			return nil, err
		}
		switch {
		case before != nil && before.ID == runID:
			return before, nil // another call for the same run was faster
		case old.live(now) && before != nil && o.queue:
			return s.enqueue(ctx, &d.Sync, st, runID, o)
		case old.live(now) && before != nil:
			return before, fault.Wrap(fault.Conflict, &Busy{before}, "run %s of this sync is at work since %s", before.ID, before.StartedAt.Format(time.RFC3339))
		case before != nil && !before.State.Ended() && st.Next == "" && before.outlasts(o):
			st.Next = before.ID
		case before != nil && !before.State.Ended():
			before.Errors = append(before.Errors, "its process died; run "+runID+" went on from its last checkpoint")
			before.end(Failed, now)
			died = before
			writes = append(ended(ctx, s.o.Outbox, before), before.write(rev))
		}
	}
	run := newRun(id, runID, o, now)
	var token int64
	if st.Lease != nil {
		token = st.Lease.Token
	}
	st.Lease = &lease{RunID: runID, Token: token + 1, Until: now.Add(leaseTime)}
	st.LastRun = runID
	if _, err = s.docs.Commit(ctx, slices.Concat(writes, []store.Write{run.write(""), st.write(id)}, o.With)); err != nil {
		return nil, err
	}
	if died != nil {
		s.measure(died)
	}
	s.o.Outbox.Committed(writes)
	logEnded(ctx, s.log, died, nil)
	s.o.StatusChanged(id)
	return run, nil
}

func newRun(syncID, runID string, o Start, now time.Time) *Run {
	return &Run{
		ID: runID, SyncID: syncID, Method: o.Method, State: Pending, Trigger: o.Trigger, EventID: o.EventID,
		StartedAt: now, UpdatedAt: now, AllowDeletes: o.AllowDeletes, Retry: o.Retry, Credentials: o.Credentials != nil, Traceparent: o.traceparent, Results: []*Step{}, Warnings: []string{}, Errors: []string{},
	}
}

// Run returns a run. NotFound.
func (s *Service) Run(ctx context.Context, id, runID string) (*Run, error) {
	r, _, err := s.ledger.readRun(ctx, id, runID)
	return r, err
}

// Runs returns the latest runs of a sync, the newest first.
func (s *Service) Runs(ctx context.Context, id string, limit int) ([]*Run, error) {
	if _, err := s.defs.Get(ctx, id); err != nil {
		return nil, err
	}
	docs, err := s.docs.List(ctx, store.Listing{Collection: runsOf(id), ByOrder: true, Descending: true, Limit: limit})
	if err != nil {
		return nil, err
	}
	out := make([]*Run, len(docs))
	for i, doc := range docs {
		if out[i], err = parseRun(doc); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Wait returns the run once it has ended, or as it is when ctx ends. progress may be
// nil; it is called with the run now and then.
func (s *Service) Wait(ctx context.Context, id, runID string, progress func(*Run)) (*Run, error) {
	pause := 20 * time.Millisecond
	for {
		run, err := s.Run(context.WithoutCancel(ctx), id, runID)
		if err != nil || run.State.Ended() || ctx.Err() != nil {
			return run, err
		}
		if progress != nil {
			progress(run)
		}
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
		}
		pause = min(pause*3/2, 500*time.Millisecond)
	}
}

// Cancel asks a run to stop at its next page. Conflict: it has ended.
func (s *Service) Cancel(ctx context.Context, id, runID string) (*Run, error) {
	for {
		// The state is read before the run: a run ends in the commit that gives up its
		// lease. In the other order a run that ends in between would have no lease and
		// still look alive, and its outcome would be overwritten.
		st, err := s.ledger.readState(ctx, id)
		if err != nil {
			return nil, err
		}
		run, rev, err := s.ledger.readRun(ctx, id, runID)
		if err != nil {
			return nil, err
		}
		if run.State.Ended() {
			return nil, fault.New(fault.Conflict, "run %s has ended: it is %s", runID, run.State)
		}
		var writes []store.Write
		// The holder ends the run itself at its next commit, because only it knows what the run did.
		// If it is dead, the process that takes the run over does.
		if st.Lease != nil && st.Lease.RunID == runID {
			st.Lease.Cancel = true
		} else { // no process works on it, and none will
			if st.Next == runID {
				st.Next = ""
			}
			run.end(Cancelled, s.clock())
			writes = append(writes, run.write(rev))
		}
		if st.rev != "" {
			writes = append(writes, st.write(id))
		}
		if _, err := s.docs.Commit(ctx, writes); err == nil {
			logEnded(ctx, s.log, run, nil)
			if run.State.Ended() {
				s.measure(run)
			}
			return run, nil
		} else if !errors.Is(err, store.ErrConflict) {
			return nil, err
		}
	}
}

// TakeOver dispatches every run whose process died, and returns how many there were.
// Runs that wait for memory in this process are not among them.
func (s *Service) TakeOver(ctx context.Context) (int, error) {
	n := 0
	err := s.each(ctx, states, func(doc store.Doc) error {
		st, err := parseState(doc)
		if err != nil || st.Lease == nil || st.Lease.Owner != "" && st.Lease.live(s.now()) {
			return err
		}
		if s.waits(runKey{doc.ID, st.Lease.RunID}) {
			return nil
		}
		n++
		if st.Lease.Owner != "" { // it is not one that waits to be begun, or was handed on
			s.log.WarnContext(ctx, "the process of a run died: another goes on from its last checkpoint", "syncId", doc.ID, "runId", st.Lease.RunID)
		}
		return s.dispatch(ctx, doc.ID, st.Lease.RunID)
	})
	return n, err
}

// each calls f with all documents of the collection that have a place in its order,
// however far ahead the place is: a clock may have been wrong. An error of f ends it.
func (s *Service) each(ctx context.Context, c store.Collection, f func(store.Doc) error) error {
	listing := store.Listing{Collection: c, ByOrder: true, Limit: 100}
	for {
		docs, err := s.docs.List(ctx, listing)
		if err != nil {
			return err
		}
		for _, doc := range docs {
			if err := f(doc); err != nil {
				return err
			}
			listing.After = store.Position{Order: doc.Order, ID: doc.ID}
		}
		if len(docs) < listing.Limit {
			return nil
		}
	}
}
