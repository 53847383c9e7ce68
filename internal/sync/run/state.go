package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headgate/headgate/internal/platform/clock"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/sync/source"
)

// Collections.
var (
	syncs  = store.Collection{Kind: "syncs"}
	states = store.Collection{Kind: "state", Scope: "sync"}
)

func runsOf(syncID string) store.Collection { return store.Collection{Kind: "runs", Scope: syncID} }

// state is what a sync remembers between runs, and who runs it now.
type state struct {
	Lease *lease                `json:"lease,omitempty"`
	Types map[string]*typeState `json:"types,omitempty"`
	// FinishedAt is when a run last ended well. A one-time sync then is done.
	FinishedAt time.Time `json:"finishedAt,omitzero"`
	LastRun    string    `json:"lastRun,omitempty"`

	rev string
}

// lease is a run's exclusive hold on its sync. Token rises with every holder,
// and every commit of a run is conditional on this document: a holder that was
// replaced while it slept can write nothing (a fencing token).
type lease struct {
	RunID  string    `json:"runId"`
	Token  int64     `json:"token"`
	Owner  string    `json:"owner,omitempty"` // a working process; "": none yet, or none any more
	Until  time.Time `json:"until"`
	Cancel bool      `json:"cancel,omitempty"` // asked to stop
}

// live reports whether a process may be at work under the lease. One that ends later
// than it can have been set to is void: its process would be waited for for as long as a
// clock was ahead.
func (l *lease) live(now time.Time) bool { return l != nil && !clock.Over(l.Until, now, leaseTime) }

// typeState is what is remembered of a datatype.
type typeState struct {
	// Cursor is where the last pull ended, and CursorBefore where the one before it did.
	// See place.go.
	Cursor       source.Cursor `json:"cursor,omitzero"`
	CursorBefore source.Cursor `json:"cursorBefore,omitzero"`
	// Digests names the document with the pages' digests of the last whole pull;
	// "": they do not hold any more.
	Digests string `json:"digests,omitempty"`
	// Pushed is the place in the records' order up to which the last push looked at
	// all, and PushedBefore that of the push before it; 0: there was none.
	Pushed       int64 `json:"pushed,omitempty"`
	PushedBefore int64 `json:"pushedBefore,omitempty"`
	// Deleted and DeletedThere are how many records, and rows at the source, were
	// deleted since a pull and a push last ended well: a run that stops because there
	// are too many must not delete as many again with the next.
	Deleted      int64 `json:"deleted,omitempty"`
	DeletedThere int64 `json:"deletedThere,omitempty"`
	// Doubt says that creations at the source were sent whose outcome is not
	// known: the records' links have the attempts.
	Doubt bool `json:"doubt,omitempty"`
}

func (s *state) of(datatype string) *typeState {
	if s.Types == nil {
		s.Types = make(map[string]*typeState)
	}
	t := s.Types[datatype]
	if t == nil {
		t = new(typeState)
		s.Types[datatype] = t
	}
	return t
}

func (s *state) write(id string) store.Write {
	d := store.Doc{ID: id, Body: mustJSON(s), Rev: s.rev}
	if s.Lease != nil && s.Lease.RunID != "" {
		d.Order = s.Lease.Until.UnixMicro() // so that dead ones are found
	}
	return store.Write{Collection: states, Doc: d}
}

func (s *Service) readState(ctx context.Context, id string) (*state, error) {
	docs, err := s.docs.Get(ctx, states, []string{id})
	if err != nil {
		return nil, err
	}
	if docs[0] == nil {
		return new(state), nil
	}
	return parseState(*docs[0])
}

func parseState(d store.Doc) (*state, error) {
	st := &state{rev: d.Rev}
	if err := json.Unmarshal(d.Body, st); err != nil {
		return nil, fmt.Errorf("the state of sync %q: %w", d.ID, err)
	}
	return st, nil
}

// Why a holder can write no more.
var (
	errLost      = errors.New("syncrun: another process holds this sync now")
	errCancelled = errors.New("syncrun: cancelled")
)

// holder is a working process's end of the lease.
type holder struct {
	svc    *Service
	syncID string
	// stop ends the work, with the reason.
	stop context.CancelCauseFunc
	// proven is a time at which the lease was certainly ours: it was read before the
	// commit that renewed the lease, and has a monotonic reading.
	proven atomic.Pointer[time.Time]

	mu    sync.Mutex
	state *state
	lost  bool
}

// hold takes the lease of the run for this process. It returns nil if another
// process is at work on it, or the run is not the sync's any more.
func (s *Service) hold(ctx context.Context, syncID, runID string) (*holder, error) {
	for {
		st, err := s.readState(ctx, syncID)
		if err != nil {
			return nil, err
		}
		l := st.Lease
		if l == nil || l.RunID != runID || l.Owner != "" && l.live(s.now()) {
			return nil, nil
		}
		asked := s.raw()
		l.Owner, l.Token, l.Until = s.random(), l.Token+1, s.now().Add(leaseTime)
		revs, err := s.docs.Commit(ctx, []store.Write{st.write(syncID)})
		if errors.Is(err, store.ErrConflict) {
			continue
		}
		if err != nil {
			return nil, err
		}
		st.rev = revs[0]
		h := &holder{svc: s, syncID: syncID, state: st, stop: func(error) {}}
		h.proven.Store(&asked)
		return h, nil
	}
}

// commit makes the writes and the change to the state together. It returns
// errLost or errCancelled if the run may not go on, and store.ErrConflict if one
// of the documents has changed: nothing is written then.
func (h *holder) commit(ctx context.Context, writes []store.Write, change func(*state)) ([]string, error) {
	return h.write(ctx, writes, change, false)
}

// write is commit; a cancellation comes too late for the last one.
func (h *holder) write(ctx context.Context, writes []store.Write, change func(*state), last bool) ([]string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		switch {
		case h.lost:
			return nil, errLost
		case h.state.Lease.Cancel && !last: // it may have been so when this process took the run
			return nil, errCancelled
		}
		next, asked := h.state.clone(), h.svc.raw()
		next.Lease.Until = h.svc.now().Add(leaseTime)
		if change != nil {
			change(next)
		}
		revs, err := h.svc.docs.Commit(ctx, append(writes[:len(writes):len(writes)], next.write(h.syncID)))
		if err == nil {
			next.rev = revs[len(writes)]
			h.state = next
			h.proven.Store(&asked)
			h.svc.o.Moved(h.syncID, false)
			return revs[:len(writes)], nil
		}
		if !errors.Is(err, store.ErrConflict) {
			return nil, err
		}
		changed, err := h.refresh(ctx)
		if err != nil {
			return nil, err
		}
		if !changed {
			return nil, store.ErrConflict
		}
	}
}

// refresh reads the state again after a conflict.
func (h *holder) refresh(ctx context.Context) (changed bool, err error) {
	st, err := h.svc.readState(ctx, h.syncID)
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

// end is commit for the last time.
func (h *holder) end(ctx context.Context, writes []store.Write, change func(*state)) error {
	_, err := h.write(ctx, writes, change, true)
	return err
}

// keep renews the lease until ctx ends. It ends the work with the reason once the
// run may not go on.
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

func (h *holder) current() *state {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.state.clone()
}

func (s *state) clone() *state {
	c := *s
	if s.Lease != nil {
		l := *s.Lease
		c.Lease = &l
	}
	c.Types = make(map[string]*typeState, len(s.Types))
	for k, v := range s.Types {
		t := *v
		c.Types[k] = &t
	}
	return &c
}

// mustJSON encodes our own types, which always can be.
func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("syncrun: encode %T: %v", v, err))
	}
	return b
}
