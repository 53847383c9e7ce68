package memorystore

import (
	"context"
	"slices"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/store"
)

// part is a part of a claim.
type part struct {
	owner   string
	members [][]store.Member
}

// Gather implements [store.Parts].
func (s *Store) Gather(ctx context.Context, c store.Claim, p store.Part) error {
	if err := checkCommit(c.Docs); err != nil {
		return err
	}
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	svc := s.service(c.Service)
	old := svc.claims[c.ID]
	if old != nil && c.Parts <= len(old.parts) {
		if c.Owner == "" || old.parts[c.Parts-1].owner != c.Owner {
			return store.ErrConflict
		}
		return nil
	}
	switch {
	case c.Parts == 1 && old != nil, c.Parts > 1 && (old == nil || old.State != store.Gathering || c.Parts != len(old.parts)+1):
		return store.ErrConflict
	case !s.allWait(p.Taken):
		return store.ErrConflict
	}
	s.write(c.Docs)
	c.Docs = nil
	for _, members := range p.Members {
		s.include(svc, []event.List{{Included: members}}, 1)
	}
	s.take(p.Taken)
	own := &claim{Claim: detached(c)}
	if !own.waits() {
		own.expireAt = c.ExpireAt
	}
	if old != nil {
		own.parts = old.parts
		svc.open.remove(old)
		svc.drop(old)
	}
	own.parts = append(own.parts, part{c.Owner, cloned(p.Members)})
	svc.enlist(own)
	s.expire(own.expireAt)
	for _, m := range p.Marks {
		ep := s.endpoint(m.Endpoint)
		for _, ref := range m.Pointers {
			ep.plain.put(ref)
		}
		for _, w := range m.Waiting {
			ep.wait(w)
		}
	}
	return nil
}

func cloned(members [][]store.Member) [][]store.Member {
	own := make([][]store.Member, len(members))
	for i, ms := range members {
		own[i] = slices.Clone(ms)
	}
	return own
}

// Members implements [store.Parts].
func (s *Store) Members(ctx context.Context, name, id string, number int) ([][]store.Member, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	c := s.service(name).claims[id]
	if c == nil || number >= len(c.parts) {
		return nil, store.ErrNotFound
	}
	return cloned(c.parts[number].members), nil
}

// ClaimByID implements [store.Parts].
func (s *Store) ClaimByID(ctx context.Context, name, id string) (store.Claim, error) {
	if err := s.lock(ctx); err != nil {
		return store.Claim{}, err
	}
	defer s.mu.Unlock()
	c := s.service(name).claims[id]
	if c == nil {
		return store.Claim{}, store.ErrNotFound
	}
	return detached(c.Claim), nil
}

// Gatherings implements [store.Parts].
func (s *Store) Gatherings(ctx context.Context, name string, limit int) ([]store.ClaimInfo, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	var infos []store.ClaimInfo
	for c := range s.service(name).open.from(none[*claim]) {
		if len(infos) == limit {
			break
		}
		if c.State == store.Gathering {
			infos = append(infos, info(c.ClaimInfo))
		}
	}
	return infos, nil
}
