package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
)

// Start says what run to start.
type Start struct {
	Method  Method // "": what the sync's type says
	Trigger string // request, schedule, message, webhook, command
	// EventID of the message that asks for the run. A message's run is started
	// once, however often it is asked for.
	EventID string
	once    string // the run's id, where it is to be started once
	// AllowDeletes lets the run delete as much as it finds to.
	AllowDeletes bool
	// Retry runs over what was rejected, not over the source.
	Retry bool
}

// Busy says that another run of the sync is at work.
type Busy struct{ Run *Run }

func (b *Busy) Error() string { return "run " + b.Run.ID + " is at work" }

// Start starts a run and returns it, pending. Conflict: the sync is a one-time
// sync that has finished, or another run is at work, which the error then wraps
// as a *Busy. A run that was started for the same event is returned as it is.
func (s *Service) Start(ctx context.Context, id string, o Start) (*Run, error) {
	d, err := s.Sync(ctx, id)
	if err != nil {
		return nil, err
	}
	if o.Method, err = d.Sync.method(o.Method); err != nil {
		return nil, err
	}
	if o.EventID != "" {
		o.once = "event-" + o.EventID
	}
	runID := o.once
	if runID == "" {
		runID = s.random()
	}
	for {
		run, err := s.start(ctx, d, runID, o)
		if errors.Is(err, store.ErrConflict) {
			continue // somebody was faster: look again
		}
		if err != nil {
			return run, fault.StoreAway(err)
		}
		if run.State == Pending {
			if err := s.dispatch(ctx, id, run.ID); err != nil {
				// The run stands: whoever looks for dead ones starts it.
				s.log.Error("a run could not be handed on: it starts when its lease has run out", "syncId", id, "runId", run.ID, "error", err)
			}
		}
		return run, nil
	}
}

// method checks that the sync can be run so.
func (s *Sync) method(m Method) (Method, error) {
	switch {
	case m == "":
		return Method(s.Type), nil
	case m == Validate, m == DoPull && s.pulls(), m == DoPush && s.pushes(), m == DoBoth && s.Type == Both:
		return m, nil
	default:
		return "", fault.New(fault.Invalid, "method %s: the sync is of type %s", m, s.Type)
	}
}

// start makes one attempt. ErrConflict: try again.
func (s *Service) start(ctx context.Context, d *Stored, runID string, o Start) (*Run, error) {
	id := d.Sync.ID
	if o.once != "" {
		if run, err := s.Run(ctx, id, runID); err == nil || fault.CodeOf(err) != fault.NotFound {
			return run, err
		}
	}
	st, err := s.readState(ctx, id)
	if err != nil {
		return nil, err
	}
	now := s.clock()
	if d.Sync.IsOneTime && !st.FinishedAt.IsZero() && o.Method != Validate {
		return nil, fault.New(fault.Conflict, "the sync is a one-time sync and finished at %s", st.FinishedAt.Format(time.RFC3339))
	}
	var writes []store.Write
	if old := st.Lease; old != nil {
		before, rev, err := s.readRun(ctx, id, old.RunID)
		if err != nil && fault.CodeOf(err) != fault.NotFound {
			return nil, err
		}
		switch {
		case before != nil && before.ID == runID:
			return before, nil // another call for the same was faster just now
		case old.live(now) && before != nil:
			return before, fault.Wrap(fault.Conflict, &Busy{before}, "run %s of this sync is at work since %s", before.ID, before.StartedAt.Format(time.RFC3339))
		case before != nil && !before.State.Ended():
			before.Errors = append(before.Errors, "its process died; run "+runID+" went on from its last checkpoint")
			before.end(Failed, now)
			writes = append(writes, before.write(rev))
		}
	}
	run := &Run{
		ID: runID, SyncID: id, Method: o.Method, State: Pending, Trigger: o.Trigger, EventID: o.EventID,
		StartedAt: now, UpdatedAt: now, AllowDeletes: o.AllowDeletes, Retry: o.Retry, Results: []*Step{}, Warnings: []string{}, Errors: []string{},
	}
	var token int64
	if st.Lease != nil {
		token = st.Lease.Token
	}
	st.Lease = &lease{RunID: runID, Token: token + 1, Until: now.Add(leaseTime)}
	st.LastRun = runID
	if _, err = s.docs.Commit(ctx, append(writes, run.write(""), st.write(id))); err != nil {
		return nil, err
	}
	s.o.Moved(id, false)
	return run, nil
}

func (r *Run) write(rev string) store.Write {
	return store.Write{Collection: runsOf(r.SyncID), Doc: store.Doc{
		ID: r.ID, Body: mustJSON(r), Order: r.StartedAt.UnixMicro(), Rev: rev,
	}}
}

func (s *Service) readRun(ctx context.Context, id, runID string) (*Run, string, error) {
	docs, err := s.docs.Get(ctx, runsOf(id), []string{runID})
	if err != nil {
		return nil, "", fault.StoreAway(err)
	}
	if docs[0] == nil {
		return nil, "", fault.New(fault.NotFound, "no run %q of sync %q", runID, id)
	}
	r, err := parseRun(*docs[0])
	return r, docs[0].Rev, err
}

func parseRun(doc store.Doc) (*Run, error) {
	r := new(Run)
	if err := json.Unmarshal(doc.Body, r); err != nil {
		return nil, fmt.Errorf("run %q: %w", doc.ID, err)
	}
	return r, nil
}

// Run returns a run. NotFound.
func (s *Service) Run(ctx context.Context, id, runID string) (*Run, error) {
	r, _, err := s.readRun(ctx, id, runID)
	return r, err
}

// Runs returns the latest runs of a sync, the newest first.
func (s *Service) Runs(ctx context.Context, id string, limit int) ([]*Run, error) {
	if _, err := s.Sync(ctx, id); err != nil {
		return nil, err
	}
	docs, err := s.docs.List(ctx, store.Listing{Collection: runsOf(id), ByOrder: true, Descending: true, Limit: limit})
	if err != nil {
		return nil, fault.StoreAway(err)
	}
	out := make([]*Run, len(docs))
	for i, doc := range docs {
		if out[i], err = parseRun(doc); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Wait returns the run once it has ended, or as it is when ctx ends.
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
		// The state comes first: a run ends in the commit that gives up its lease.
		st, err := s.readState(ctx, id)
		if err != nil {
			return nil, fault.StoreAway(err)
		}
		run, rev, err := s.readRun(ctx, id, runID)
		if err != nil {
			return nil, err
		}
		if run.State.Ended() {
			return nil, fault.New(fault.Conflict, "run %s has ended: it is %s", runID, run.State)
		}
		var writes []store.Write
		if st.Lease != nil && st.Lease.RunID == runID {
			st.Lease.Cancel = true
		} else { // nobody has it, or ever will
			run.end(Cancelled, s.clock())
			writes = append(writes, run.write(rev))
		}
		if st.rev != "" {
			writes = append(writes, st.write(id))
		}
		if _, err := s.docs.Commit(ctx, writes); err == nil {
			return run, nil
		} else if !errors.Is(err, store.ErrConflict) {
			return nil, fault.StoreAway(err)
		}
	}
}

// TakeOver has every run whose process died worked on again, and returns how
// many they were.
func (s *Service) TakeOver(ctx context.Context) (int, error) {
	n := 0
	err := s.each(ctx, states, func(doc store.Doc) error {
		st, err := parseState(doc)
		if err != nil || st.Lease == nil || st.Lease.Owner != "" && st.Lease.live(s.now()) {
			return err
		}
		n++
		return s.dispatch(ctx, doc.ID, st.Lease.RunID)
	})
	return n, err
}

// each calls f with all documents of the collection that have a place in its order, also
// those whose place is far ahead. An error of f ends it.
func (s *Service) each(ctx context.Context, c store.Collection, f func(store.Doc) error) error {
	listing := store.Listing{Collection: c, ByOrder: true, Limit: 100}
	for {
		docs, err := s.docs.List(ctx, listing)
		if err != nil {
			return fault.StoreAway(err)
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
