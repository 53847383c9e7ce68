package memorystore

import (
	"context"
	"time"

	"github.com/headgate/headgate/internal/store"
)

// until returns a function that holds for the pointers received at or before the instant.
func until(at time.Time) func(store.Pointer) bool {
	return func(p store.Pointer) bool { return !p.ReceivedAt.After(at) }
}

// Pending implements [store.Store].
func (s *Store) Pending(ctx context.Context, ep store.Endpoint, after time.Time, limit int) ([]store.Pointer, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	return s.pending(ep, after, limit), nil
}

func (s *Store) pending(ep store.Endpoint, after time.Time, limit int) (ps []store.Pointer) {
	for p := range s.endpoint(ep).plain.from(until(after)) {
		if limit > 0 && len(ps) == limit {
			break
		}
		ps = append(ps, p)
	}
	return ps
}

// Count implements [store.Store].
func (s *Store) Count(ctx context.Context, ep store.Endpoint, after time.Time, limit int) (n int, err error) {
	if err := s.lock(ctx); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	for range s.endpoint(ep).plain.from(until(after)) {
		if limit > 0 && n == limit {
			break
		}
		n++
	}
	return n, nil
}

// Summarize implements [store.Store].
func (s *Store) Summarize(ctx context.Context, ep store.Endpoint, after time.Time) (sum store.Summary, err error) {
	if err := s.lock(ctx); err != nil {
		return sum, err
	}
	defer s.mu.Unlock()
	for p := range s.endpoint(ep).plain.from(until(after)) {
		if sum.Count++; sum.Count == 1 {
			sum.First = p.ReceivedAt
		}
		sum.Last = p.ReceivedAt
	}
	return sum, nil
}

// Stale implements [store.Store].
func (s *Store) Stale(ctx context.Context, ep store.Endpoint, upTo time.Time, limit int) ([]store.Pointer, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	var ps []store.Pointer
	for p := range s.endpoint(ep).plain.from(none[store.Pointer]) {
		if len(ps) == limit || p.ReceivedAt.After(upTo) {
			break
		}
		ps = append(ps, p)
	}
	return ps, nil
}

// Discard implements [store.Store].
func (s *Store) Discard(ctx context.Context, ep store.Endpoint, ps []store.Pointer) (n int, err error) {
	if err := s.lock(ctx); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	e, svc := s.endpoint(ep), s.service(ep.Service)
	for _, p := range ps {
		if _, ok := e.plain.remove(p); ok {
			s.unpoint(svc, p)
			n++
		}
	}
	return n, nil
}
