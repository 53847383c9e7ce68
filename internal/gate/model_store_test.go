package gate_test

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/store"
)

// mortalStore is an instance's connection to the store. It may die at any call: before the
// call takes effect, or after that and before the answer.
type mortalStore struct {
	store.Store
	tr   *trial
	mu   sync.Mutex
	left int // calls until it dies; negative: it lives
	lost bool
	dead bool
}

func (s *mortalStore) kill()      { s.mu.Lock(); s.dead = true; s.mu.Unlock() }
func (s *mortalStore) died() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.dead }

func (s *mortalStore) dieAfter(calls int, lost bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left, s.lost = calls, lost
}

// call makes a call of the store, unless the process is dead.
func (s *mortalStore) call(do func() error) error {
	s.mu.Lock()
	dies := s.left == 0
	if s.left >= 0 {
		s.left--
	}
	s.dead = s.dead || dies
	dead, lost := s.dead, dies && s.lost
	s.mu.Unlock()
	if dead && !lost {
		return errDead
	}
	if err := do(); err != nil || !lost {
		return err
	}
	return errDead
}

func (s *mortalStore) MaxClaim() int {
	if n := s.tr.Rules.MaxClaim; n > 0 {
		return n
	}
	return s.Store.MaxClaim()
}

func (s *mortalStore) Now(ctx context.Context) (time.Time, bool, error) {
	if s.tr.timed {
		return s.tr.truth(), true, nil
	}
	return s.Store.Now(ctx)
}

func (s *mortalStore) Append(ctx context.Context, events []store.Append) (out []store.AppendResult) {
	err := s.call(func() error {
		out = s.Store.Append(ctx, events)
		s.tr.mu.Lock()
		defer s.tr.mu.Unlock()
		for i, r := range out {
			if r.Err == nil && !r.Duplicate {
				s.tr.stored[events[i].Event.ID] = events[i]
			}
			lost, p := r.Superseded, events[i].Place
			switch {
			case lost.ID == "":
			case lost.ID != events[i].Event.ID && !lost.ReceivedAt.After(p.Over):
				s.tr.discarded[lost.ID] = discard{s.tr.truth(), false, store.Waiting{Ref: lost}}
			default:
				s.tr.lost[lost.ID] = true
			}
		}
		return nil
	})
	if err != nil {
		out = make([]store.AppendResult, len(events))
		for i := range out {
			out[i].Err = err
		}
	}
	return out
}

func (s *mortalStore) Claim(ctx context.Context, c store.Claim, taken []store.Taken) error {
	return s.call(func() error {
		err := s.Store.Claim(ctx, c, taken)
		if err == nil {
			s.tr.mu.Lock()
			s.tr.claims = append(s.tr.claims, claimed{c, s.tr.truth()})
			s.tr.mu.Unlock()
		}
		return err
	})
}

func (s *mortalStore) Gather(ctx context.Context, c store.Claim, p store.Part) error {
	return s.call(func() error {
		err := s.Store.Gather(ctx, c, p)
		if err != nil || c.State == store.Gathering {
			return err
		}
		c.Lists = slices.Clone(c.Lists)
		for part := range c.Parts {
			members, err := s.Store.Members(ctx, c.Service, c.ID, part)
			require.NoError(s.tr, err)
			for i := range members {
				c.Lists[i].Included = append(c.Lists[i].Included, members[i]...)
			}
		}
		s.tr.mu.Lock()
		s.tr.claims = append(s.tr.claims, claimed{c, s.tr.truth()})
		s.tr.mu.Unlock()
		return nil
	})
}

func (s *mortalStore) ClaimByID(ctx context.Context, service, id string) (c store.Claim, err error) {
	err = s.call(func() error { c, err = s.Store.ClaimByID(ctx, service, id); return err })
	return c, err
}

func (s *mortalStore) Gatherings(ctx context.Context, service string, limit int) (out []store.ClaimInfo, err error) {
	err = s.call(func() error { out, err = s.Store.Gatherings(ctx, service, limit); return err })
	return out, err
}

func (s *mortalStore) DiscardWaiting(ctx context.Context, ep store.Endpoint, ws []store.Waiting) (n int, err error) {
	err = s.call(func() error {
		s.tr.mu.Lock()
		for _, w := range ws {
			s.tr.discarded[w.ID] = discard{s.tr.truth(), s.tr.resets, w}
		}
		s.tr.mu.Unlock()
		n, err = s.Store.DiscardWaiting(ctx, ep, ws)
		return err
	})
	return n, err
}

func (s *mortalStore) Settle(ctx context.Context, service, id string, o store.Outcome) error {
	return s.call(func() error { return s.Store.Settle(ctx, service, id, o) })
}

func (s *mortalStore) Lease(ctx context.Context, service, id string, attempts int, until time.Time) error {
	return s.call(func() error { return s.Store.Lease(ctx, service, id, attempts, until) })
}

func (s *mortalStore) Due(ctx context.Context, service string, now, beyond time.Time, limit int) (out []store.ClaimInfo, err error) {
	err = s.call(func() error { out, err = s.Store.Due(ctx, service, now, beyond, limit); return err })
	return out, err
}

func (s *mortalStore) WaitingOf(ctx context.Context, ep store.Endpoint, key string, in store.Span, slots bool, limit int) (out []store.Waiting, err error) {
	err = s.call(func() error { out, err = s.Store.WaitingOf(ctx, ep, key, in, slots, limit); return err })
	return out, err
}

func (s *mortalStore) WaitingUpTo(ctx context.Context, ep store.Endpoint, upTo time.Time, after *store.Cursor, limit int) (out []store.Waiting, err error) {
	err = s.call(func() error { out, err = s.Store.WaitingUpTo(ctx, ep, upTo, after, limit); return err })
	return out, err
}
