package memorystore

import (
	"context"
	"slices"
	"time"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/store"
)

// Claim implements [store.Store].
func (s *Store) Claim(ctx context.Context, c store.Claim, taken []store.Taken) error {
	if err := checkCommit(c.Docs); err != nil {
		return err
	}
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	svc := s.service(c.Service)
	if old := svc.claims[c.ID]; old != nil {
		if c.Owner == "" || old.Owner != c.Owner {
			return store.ErrConflict
		}
		return nil
	}
	if !s.allWait(taken) { // before anything changes
		return store.ErrConflict
	}
	s.write(c.Docs)
	c.Docs = nil
	if s.options.Forget && c.State != store.Claimed { // it is final
		s.take(taken)
		svc.forget(c)
		if s.options.Claims {
			svc.enlist(&claim{Claim: withoutMembers(c), expireAt: c.ExpireAt})
			s.expire(c.ExpireAt)
		}
		return nil
	}
	s.include(svc, c.Lists, 1)
	s.take(taken)
	own := &claim{Claim: detached(c), expireAt: c.ExpireAt}
	if own.waits() {
		own.expireAt = time.Time{}
	}
	svc.enlist(own)
	s.expire(own.expireAt)
	return nil
}

// allWait reports whether all of the pointers wait as they were read.
func (s *Store) allWait(taken []store.Taken) bool {
	for _, t := range taken {
		ep := s.endpoint(t.Endpoint)
		for _, p := range t.Pointers {
			if _, ok := ep.plain.get(p); !ok {
				return false
			}
		}
		if slices.ContainsFunc(t.Waiting, func(w store.Waiting) bool { return !ep.has(w) }) {
			return false
		}
	}
	return true
}

// take deletes the pointers.
func (s *Store) take(taken []store.Taken) {
	for _, t := range taken {
		ep, svc := s.endpoint(t.Endpoint), s.service(t.Endpoint.Service)
		for _, p := range t.Pointers {
			if _, ok := ep.plain.remove(p); ok {
				s.unpoint(svc, p)
			}
		}
		for _, w := range t.Waiting {
			s.unwait(svc, ep, w)
		}
	}
}

// waits reports whether the claim is still to be worked on, so that it is in the open list.
func (c *claim) waits() bool { return c.State == store.Claimed || c.State == store.Gathering }

// enlist stores the claim.
func (svc *service) enlist(c *claim) {
	svc.claims[c.ID] = c
	if c.State != store.Gathering {
		svc.byEventID[c.EventID] = c
		svc.list.put(c)
	}
	if c.waits() {
		svc.open.put(c)
	}
}

// include adds n to the number of unpublished claims that need the events of the lists.
func (s *Store) include(svc *service, lists []event.List, n int) {
	if !s.options.Forget {
		return
	}
	for _, l := range lists {
		for _, m := range l.Included {
			if e, id := svc.find(m); e != nil {
				e.claims += n
				s.release(svc, id)
			}
		}
	}
}

// forget remembers of a final claim only its eventID, and this only if other events may get
// the same: those that have its events' names, once these are forgotten.
func (svc *service) forget(c store.Claim) {
	for _, l := range c.Lists {
		if slices.ContainsFunc(l.Included, store.Member.Unnamed) {
			return
		}
	}
	svc.messages.add(event.Ref{ID: c.EventID, ReceivedAt: c.ExpireAt})
}

// withoutMembers returns a copy that has the counts of its events only.
func withoutMembers(c store.Claim) store.Claim {
	c.Lists = slices.Clone(c.Lists)
	for i := range c.Lists {
		c.Lists[i].Included = nil
	}
	return detached(c)
}

// DropClaims drops the claims of the service that were made until the instant.
func (s *Store) DropClaims(name string, until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	svc := s.service(name)
	var gone []*claim
	for c := range svc.list.from(none[*claim]) {
		if c.Date.After(until) {
			break
		}
		if !c.waits() {
			gone = append(gone, c)
		}
	}
	for _, c := range gone {
		svc.drop(c)
	}
}

// detached returns a copy that shares nothing that its user may change.
func detached(c store.Claim) store.Claim {
	c.ClaimInfo = info(c.ClaimInfo)
	c.Lists = slices.Clone(c.Lists)
	for i := range c.Lists {
		c.Lists[i].Included = slices.Clone(c.Lists[i].Included)
	}
	return c
}

func info(c store.ClaimInfo) store.ClaimInfo {
	c.Gather = slices.Clone(c.Gather)
	if c.Window != nil {
		w := *c.Window
		w.Missing = slices.Clone(w.Missing)
		c.Window = &w
	}
	c.Targets = slices.Clone(c.Targets)
	return c
}

// change calls do with a claim, which may change all of it but its id and date.
func (s *Store) change(ctx context.Context, name, id string, do func(svc *service, c *claim) error) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	svc := s.service(name)
	c := svc.claims[id]
	if c == nil {
		return store.ErrNotFound
	}
	if c.waits() {
		svc.open.remove(c)
		defer func() {
			if c.waits() {
				svc.open.put(c)
			}
		}()
	}
	return do(svc, c)
}

// Lease implements [store.Store].
func (s *Store) Lease(ctx context.Context, name, id string, attempts int, until time.Time) error {
	return s.change(ctx, name, id, func(_ *service, c *claim) error {
		if !c.waits() || c.Attempts != attempts {
			return store.ErrConflict
		}
		c.NextAttempt, c.LastError = until, ""
		c.Attempts++
		return nil
	})
}

// Settle implements [store.Store].
func (s *Store) Settle(ctx context.Context, name, id string, o store.Outcome) error {
	return s.change(ctx, name, id, func(svc *service, c *claim) error {
		if c.State != store.Claimed && (c.State != store.Failed || o.PublishedAt.IsZero() && !o.Failed) {
			return nil // a published claim stays published, and a failed one failed
		}
		if len(o.Targets) > 0 {
			c.Targets = o.Merge(c.Targets)
		}
		switch {
		case !o.PublishedAt.IsZero():
			c.State, c.PublishedAt, c.LastError = store.Published, o.PublishedAt, ""
		case o.Failed:
			c.State, c.LastError = store.Failed, o.Error
		default:
			c.NextAttempt, c.LastError = o.NextAttempt, o.Error
			return nil
		}
		c.Size, c.NextAttempt = o.Size, time.Time{}
		c.expireAt = o.ExpireAt
		s.expire(c.expireAt)
		if s.options.Forget {
			s.include(svc, c.Lists, -1)
			for _, p := range c.parts {
				for _, members := range p.members {
					s.include(svc, []event.List{{Included: members}}, -1)
				}
			}
			svc.drop(c)
		}
		return nil
	})
}

func (svc *service) drop(c *claim) {
	delete(svc.claims, c.ID)
	if svc.byEventID[c.EventID] == c {
		delete(svc.byEventID, c.EventID)
	}
	svc.list.remove(c)
}

// Keep implements [store.Store].
func (s *Store) Keep(ctx context.Context, service string, members []store.Member, until time.Time) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	svc := s.service(service)
	for i, m := range members {
		e, _ := svc.find(m)
		switch {
		case e == nil && i == 0:
			return store.ErrNotFound
		case e != nil && !e.expireAt.IsZero() && e.expireAt.Before(until):
			e.expireAt = until
		}
	}
	return nil
}

// Purge implements [store.Store].
func (s *Store) Purge(ctx context.Context, now time.Time, limit int) (n int, err error) {
	if err := s.lock(ctx); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	if s.expires.IsZero() || now.Before(s.expires) {
		return 0, nil
	}
	s.expires = time.Time{}
	over := func(at time.Time) bool {
		if at.IsZero() || at.After(now) || n == limit {
			s.expire(at)
			return false
		}
		n++
		return true
	}
	for _, svc := range s.services {
		for id, e := range svc.events {
			if over(e.expireAt) {
				svc.remove(id)
			}
		}
		for _, c := range svc.claims {
			if over(c.expireAt) {
				svc.drop(c)
			}
		}
	}
	for _, docs := range s.docs {
		docs.purge(over)
	}
	return n, nil
}
