package sqlitestore

import (
	"context"
	"database/sql"
	"errors"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/store"
)

// Gather implements [store.Parts].
func (s *Store) Gather(ctx context.Context, c store.Claim, p store.Part) error {
	lists, err := encodeLists(c.Lists)
	if err != nil {
		return err
	}
	members := make([]event.List, len(p.Members))
	for i, ms := range p.Members {
		members[i].Included = ms
	}
	part, err := encodeLists(members)
	if err != nil {
		return err
	}
	if _, err := checkCommit(c.Docs); err != nil {
		return err
	}
	deletes, n, err := encodeTaken(p.Taken)
	if err != nil {
		return err
	}
	err = s.w.do(&op{
		ctx: ctx, what: "gather", weight: n + 2 + len(c.Docs), bytes: len(lists) + len(part), undo: true,
		run: func(tx *tx) error { return tx.gather(&c, lists, part, deletes, p.Marks) },
	})
	// As after a claim: only an error of the commit leaves open whether it succeeded.
	if err == nil || refused(err) || errors.Is(err, ctx.Err()) {
		return err
	}
	if s.ownsPart(ctx, c) {
		return nil
	}
	return err
}

// gather adds the part, and creates or replaces the claim. The part's number is the fence: of
// two commits with one number the second is refused.
func (t *tx) gather(c *store.Claim, lists, part []byte, deletes []takenKeys, marks []store.Taken) error {
	service, err := t.internService(c.Service)
	if err != nil {
		return err
	}
	n, err := change(t.addPart, service, c.ID, c.Parts-1, c.Owner, part)
	if err != nil {
		return err
	}
	if n == 0 {
		var owner string
		if err := t.partOwner.QueryRowContext(context.Background(), service, c.ID, c.Parts-1).Scan(&owner); err != nil {
			return err
		}
		if owner == "" || owner != c.Owner {
			return store.ErrConflict
		}
		return nil // our own commit, whose answer was lost
	}
	row, err := claimRow(service, c, lists)
	if err != nil {
		return err
	}
	write := t.replaceClaim
	if c.Parts == 1 {
		write = t.addClaim
	}
	if n, err = change(write, row...); err != nil {
		return err
	}
	if n == 0 {
		return store.ErrConflict
	}
	if err := t.addClaimDocs(c.Docs); err != nil {
		return err
	}
	if err := t.take(c.Service, service, deletes); err != nil {
		return err
	}
	for _, m := range marks {
		if err := t.addMark(m); err != nil {
			return err
		}
	}
	return nil
}

// addMark creates the pointers of a mark.
func (t *tx) addMark(mark store.Taken) error {
	service, err := t.internService(mark.Endpoint.Service)
	if err != nil {
		return err
	}
	endpoint, err := t.internEndpoint(service, mark.Endpoint.Key)
	if err != nil {
		return err
	}
	for _, p := range mark.Pointers {
		id, err := encodeID(p.ID)
		if err != nil {
			return err
		}
		if _, err := change(t.addPointer, endpoint, p.ReceivedAt.UnixMicro(), id, p.Size); err != nil {
			return err
		}
	}
	for _, w := range mark.Waiting {
		id, err := encodeID(w.ID)
		if err != nil {
			return err
		}
		if _, err := change(t.addWaiting, endpoint, []byte(w.Key), w.At.UnixMicro(), id, w.ReceivedAt.UnixMicro(), w.Size, w.First.UnixMicro(), nil); err != nil {
			return err
		}
	}
	return nil
}

// ownsPart reports whether this very attempt has stored the part.
func (s *Store) ownsPart(ctx context.Context, c store.Claim) bool {
	service, ok, err := s.serviceNum(ctx, c.Service)
	if !ok || err != nil || c.Owner == "" {
		return false
	}
	var owner string
	err = s.q.partOwner.QueryRowContext(ctx, service, c.ID, c.Parts-1).Scan(&owner)
	return err == nil && owner == c.Owner
}

// Members implements [store.Parts].
func (s *Store) Members(ctx context.Context, service, id string, part int) ([][]store.Member, error) {
	num, ok, err := s.serviceNum(ctx, service)
	if err == nil && !ok {
		err = store.ErrNotFound
	}
	var b []byte
	if err == nil {
		err = s.q.part.QueryRowContext(ctx, num, id, part).Scan(&b)
	}
	if errors.Is(err, sql.ErrNoRows) {
		err = store.ErrNotFound
	}
	if err != nil {
		return nil, s.reading("members of a part", err)
	}
	lists, err := decodeLists(b)
	members := make([][]store.Member, len(lists))
	for i, l := range lists {
		members[i] = l.Included
	}
	return members, s.reading("members of a part", err)
}

// ClaimByID implements [store.Parts].
func (s *Store) ClaimByID(ctx context.Context, service, id string) (store.Claim, error) {
	claims, err := s.queryClaims(ctx, service, s.q.claimByID, true, id)
	if err == nil && len(claims) == 0 {
		err = store.ErrNotFound
	}
	if err != nil {
		return store.Claim{}, s.reading("claim by id", err)
	}
	return claims[0], nil
}

// Gatherings implements [store.Parts].
func (s *Store) Gatherings(ctx context.Context, service string, limit int) ([]store.ClaimInfo, error) {
	claims, err := s.queryClaims(ctx, service, s.q.gatherings, false, limit)
	return toInfos(claims), s.reading("gatherings", err)
}
