package memorystore

import (
	"context"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
)

// EventsBetween implements [store.Received].
func (s *Store) EventsBetween(ctx context.Context, name string, in store.Span, after *store.Cursor, limit int) ([]store.Stored, error) {
	if after != nil && len(after.ID) != event.IDLen {
		return nil, fault.New(fault.Invalid, "%.40q is not the id of an event", after.ID)
	}
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	svc := s.service(name)
	before := func(r event.Ref) bool {
		if !in.From.IsZero() && r.ReceivedAt.Before(in.From) {
			return true
		}
		return after != nil && r.Compare(event.Ref{ID: after.ID, ReceivedAt: after.Date}) <= 0
	}
	var page []store.Stored
	for r := range svc.received.from(before) {
		if len(page) == limit || !in.To.IsZero() && !r.ReceivedAt.Before(in.To) {
			break
		}
		e := svc.events[r.ID]
		r.Size = e.Size()
		page = append(page, store.Stored{Ref: r, Key: e.Key})
	}
	return page, nil
}
