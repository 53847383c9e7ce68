package memorystore

import (
	"cmp"
	"context"
	"time"

	"github.com/headgate/headgate/internal/store"
)

// Due implements [store.Store].
func (s *Store) Due(ctx context.Context, service string, now, beyond time.Time, limit int) ([]store.ClaimInfo, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	var due []store.ClaimInfo
	open := s.service(service).open
	for c := range open.from(none[*claim]) {
		if len(due) == limit || c.NextAttempt.After(now) {
			break
		}
		due = append(due, info(c.ClaimInfo))
	}
	if beyond.IsZero() {
		return due, nil
	}
	if beyond.Before(now) {
		beyond = now
	}
	n := 0
	for c := range open.from(func(c *claim) bool { return !c.NextAttempt.After(beyond) }) {
		if n++; n > limit {
			break
		}
		due = append(due, info(c.ClaimInfo))
	}
	return due, nil
}

// ClaimByEventID implements [store.Store].
func (s *Store) ClaimByEventID(ctx context.Context, service, eventID string) (store.Claim, error) {
	if err := s.lock(ctx); err != nil {
		return store.Claim{}, err
	}
	defer s.mu.Unlock()
	svc := s.service(service)
	if c := svc.byEventID[eventID]; c != nil {
		return detached(c.Claim), nil
	}
	if _, ok := svc.messages.find(eventID); ok { // of other events than those that still wait
		return store.Claim{ClaimInfo: store.ClaimInfo{Service: service, EventID: eventID}}, nil
	}
	return store.Claim{}, store.ErrNotFound
}

// Claims implements [store.Store].
func (s *Store) Claims(ctx context.Context, service string, page store.Page) ([]store.ClaimInfo, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	// position compares a claim with the cursor.
	position := func(c *claim) int { return cmp.Or(c.Date.Compare(page.After.Date), cmp.Compare(c.ID, page.After.ID)) }
	list := s.service(service).list
	claims := list.down(all[*claim])
	switch {
	case page.OldestFirst && page.After == nil:
		claims = list.from(none[*claim])
	case page.OldestFirst:
		claims = list.from(func(c *claim) bool { return position(c) <= 0 })
	case page.After != nil:
		claims = list.down(func(c *claim) bool { return position(c) < 0 })
	}
	var infos []store.ClaimInfo
	for c := range claims {
		if len(infos) == page.Limit {
			break
		}
		if page.State != "" && c.State != page.State || page.Key != nil && (c.Window == nil || c.Window.Key != *page.Key) ||
			page.Completion != "" && (c.Window == nil || c.Window.Completion != page.Completion) {
			continue
		}
		infos = append(infos, info(c.ClaimInfo))
	}
	return infos, nil
}

// Backlog implements [store.Store].
func (s *Store) Backlog(ctx context.Context, service string) (n int, oldest time.Time, err error) {
	if err := s.lock(ctx); err != nil {
		return 0, oldest, err
	}
	defer s.mu.Unlock()
	for c := range s.service(service).open.from(none[*claim]) {
		if c.State != store.Claimed {
			continue
		}
		if n++; oldest.IsZero() || c.Date.Before(oldest) {
			oldest = c.Date
		}
	}
	return n, oldest, nil
}
