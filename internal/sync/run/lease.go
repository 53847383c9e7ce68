package run

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headgate/headgate/internal/platform/clock"
	"github.com/headgate/headgate/internal/store"
)

// leaseTime is the time that a sync waits for a process that died: then its lease runs out,
// and another process takes the run over. A live process renews the lease four times as
// often, and with every checkpoint, so that a single slow commit does not cost it the run.
const leaseTime = 15 * time.Second

// lease is a run's exclusive hold on its sync.
//
// A lease alone cannot keep two processes from writing: one that slept through the end
// of its lease does not know that it slept. So Token rises with every holder, and every
// commit of a run is conditional on the document that has it. A holder that was replaced
// can commit nothing: the token is a fencing token. What a run sends to the source is not
// part of a commit; see fence.go for that.
type lease struct {
	RunID  string    `json:"runId"`
	Token  int64     `json:"token"`
	Owner  string    `json:"owner,omitempty"` // the process at work; "": no process is
	Until  time.Time `json:"until"`
	Cancel bool      `json:"cancel,omitempty"` // somebody asked the run to stop
}

// live reports whether a process may be at work under the lease. A lease that ends later
// than any process can have set it to is void: a clock was ahead, and to wait for that
// lease would be to wait for as long as the clock was wrong by.
func (l *lease) live(now time.Time) bool { return l != nil && !clock.Over(l.Until, now, leaseTime) }

// Reasons for which a holder may no longer write.
var (
	errLost      = errors.New("run: another process holds this sync now")
	errCancelled = errors.New("run: cancelled")
)

// holder is the lease as the process sees it that works on the run.
type holder struct {
	ledger  *Ledger
	machine func() time.Time // the machine's clock; see Options.Machine
	changed func(syncID string)
	syncID  string
	// stop ends the work, with the reason.
	stop context.CancelCauseFunc
	// proven is a time at which the lease certainly was ours: the clock was read before
	// the commit that renewed the lease. It has a monotonic reading.
	proven atomic.Pointer[time.Time]

	mu    sync.Mutex // over a whole commit: the next one needs the revision of this one
	state *syncState
	lost  bool
}

// hold takes the lease of the run for this process. It returns nil if another process is
// at work on the run, or if the run no longer has the sync's lease.
func (s *Service) hold(ctx context.Context, syncID, runID string) (*holder, error) {
	for {
		st, err := s.ledger.readState(ctx, syncID)
		if err != nil {
			return nil, err
		}
		l := st.Lease
		if l == nil || l.RunID != runID || l.Owner != "" && l.live(s.now()) {
			return nil, nil
		}
		asked := s.machine()
		l.Owner, l.Token, l.Until = s.random(), l.Token+1, s.now().Add(leaseTime)
		revs, err := s.docs.Commit(ctx, []store.Write{st.write(syncID)})
		if errors.Is(err, store.ErrConflict) {
			continue
		}
		if err != nil {
			return nil, err
		}
		st.rev = revs[0]
		h := &holder{ledger: s.ledger, machine: s.machine, changed: s.o.StatusChanged, syncID: syncID, state: st, stop: func(error) {}}
		h.proven.Store(&asked)
		return h, nil
	}
}

// commit makes the writes and the change to the state together. It returns errLost or
// errCancelled if the run may not continue, and store.ErrConflict if one of the documents
// has changed. Nothing is written in these cases.
func (h *holder) commit(ctx context.Context, writes []store.Write, change func(*syncState)) ([]string, error) {
	return h.write(ctx, writes, change, false)
}

// end is commit for the last time. A cancellation comes too late for it: the run has
// done its work, and would otherwise be shown as cancelled although it is complete.
func (h *holder) end(ctx context.Context, writes []store.Write, change func(*syncState)) error {
	_, err := h.write(ctx, writes, change, true)
	return err
}

func (h *holder) write(ctx context.Context, writes []store.Write, change func(*syncState), last bool) ([]string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		switch {
		case h.lost:
			return nil, errLost
		case h.state.Lease.Cancel && !last:
			return nil, errCancelled
		}
		next, asked := h.state.clone(), h.machine()
		next.Lease.Until = h.ledger.now().Add(leaseTime)
		if change != nil {
			change(next)
		}
		revs, err := h.ledger.docs.Commit(ctx, append(writes[:len(writes):len(writes)], next.write(h.syncID)))
		if err == nil {
			next.rev = revs[len(writes)]
			h.state = next
			h.proven.Store(&asked)
			h.changed(h.syncID)
			return revs[:len(writes)], nil
		}
		if !errors.Is(err, store.ErrConflict) {
			return nil, err
		}
		// Either the state changed, and the commit is tried on the new one; or one of
		// the caller's documents did, and the caller has to look at it again.
		changed, err := h.refresh(ctx)
		if err != nil {
			return nil, err
		}
		if !changed {
			return nil, store.ErrConflict
		}
	}
}

// refresh reads the state again after a conflict. The owner is compared as well as the
// token: a deleted and recreated sync counts its tokens from the beginning.
func (h *holder) refresh(ctx context.Context) (changed bool, err error) {
	st, err := h.ledger.readState(ctx, h.syncID)
	if err != nil {
		return false, err
	}
	if st.Lease == nil || st.Lease.Token != h.state.Lease.Token || st.Lease.Owner != h.state.Lease.Owner {
		h.lost = true
		return false, errLost
	}
	changed = st.rev != h.state.rev
	h.state = st
	return changed, nil
}

// keep renews the lease until ctx ends. If the run may not continue, it ends the work with
// the reason. After other errors the next tick tries again: while the store cannot be
// reached, the lease may expire, and then the fence stops the run from sending anything.
func (h *holder) keep(ctx context.Context) {
	t := time.NewTicker(leaseTime / 4)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			if _, err := h.commit(ctx, nil, nil); errors.Is(err, errLost) || errors.Is(err, errCancelled) {
				h.stop(err)
				return
			}
		}
	}
}

func (h *holder) current() *syncState {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.state.clone()
}
