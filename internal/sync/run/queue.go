package run

import (
	"context"
	"slices"
	"time"

	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/sync/definition"
)

// A request for a run may come while a run of the sync is at work. That run may have read
// the source before the change that the request is about, so another one has to follow.
// One is enough, however many requests come: it reads the source after all of them.
//
// The waiting run is stored, and the sync's state names it. The commit that ends the run at
// work gives the waiting one the lease. From then on it is a run whose process may have
// died: if nobody begins it, TakeOver does. So it survives any crash, and needs no timer.

// Queue is Start for a request that must not get lost: while another run is at work, the
// request is stored, and a run follows. waiting reports that. Requests that come while a
// run waits share it. Conflict: the sync is a one-time sync that has finished.
func (s *Service) Queue(ctx context.Context, id string, o Start) (run *Run, waiting bool, err error) {
	o.queue = true
	if run, err = s.Start(ctx, id, o); err != nil {
		return nil, false, err
	}
	return run, run.waits, nil
}

// enqueue stores a run that begins when the one at work has ended, or joins the one that
// waits already: it waited after the request came, so it reads the source after that. If the
// two differ in their method, that one does all that the sync does.
func (s *Service) enqueue(ctx context.Context, d *definition.Sync, st *syncState, runID string, o Start) (*Run, error) {
	id := d.ID
	if st.Next != "" {
		run, rev, err := s.ledger.readRun(ctx, id, st.Next)
		if err != nil {
			return nil, err
		}
		writes := slices.Clone(o.With)
		if run.Method != o.Method {
			run.Method = Method(d.Type)
			writes = append(writes, run.write(rev))
		}
		run.waits = true
		if len(writes) > 0 {
			_, err = s.docs.Commit(ctx, writes)
		}
		return run, err
	}
	run := newRun(id, runID, o, s.clock())
	run.waits, st.Next = true, runID
	if _, err := s.docs.Commit(ctx, append([]store.Write{run.write(""), st.write(id)}, o.With...)); err != nil {
		return nil, err
	}
	s.o.StatusChanged(id)
	return run, nil
}

// promote gives the lease to the run that waits, if there is one, and returns its id. No
// process works on it yet.
func (s *syncState) promote(now time.Time) (runID string) {
	if s.Next == "" || s.Lease == nil {
		return ""
	}
	runID, s.Next = s.Next, ""
	s.Lease.RunID, s.Lease.Owner, s.Lease.Cancel, s.Lease.Until, s.LastRun = runID, "", false, now.Add(leaseTime), runID
	return runID
}

// outlasts reports whether a run whose process died is kept, to go on after the run that
// takes its place. That one would not do its work: it has another method, or changes nothing.
func (r *Run) outlasts(o Start) bool {
	if r.Method == Validate || r.Retry {
		return false
	}
	return o.Method == Validate || r.State == Pending && (o.Method != r.Method || o.Retry)
}

// changed reports whether one of the documents is not as its write expects.
func (s *Service) changed(ctx context.Context, writes []store.Write) (bool, error) {
	for _, w := range writes {
		docs, err := s.docs.Get(ctx, w.Collection, []string{w.Doc.ID})
		if err != nil {
			return false, err
		}
		rev := ""
		if docs[0] != nil {
			rev = docs[0].Rev
		}
		if !w.Any && rev != w.Doc.Rev {
			return true, nil
		}
	}
	return false, nil
}
