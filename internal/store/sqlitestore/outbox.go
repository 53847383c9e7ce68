package sqlitestore

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/headgate/headgate/internal/store"
)

// Due implements [store.Store].
func (s *Store) Due(ctx context.Context, service string, now, beyond time.Time, limit int) ([]store.ClaimInfo, error) {
	claims, err := s.queryEither(ctx, service, s.q.due, s.q.gatheringsDue, now.UnixMicro(), limit)
	if err == nil && !beyond.IsZero() {
		var void []store.Claim
		void, err = s.queryEither(ctx, service, s.q.dueBeyond, s.q.gatheringsBeyond, max(now.UnixMicro(), beyond.UnixMicro()), limit)
		claims = append(claims, void...)
	}
	return toInfos(claims), s.reading("due", err)
}

// queryEither returns what two queries find, first what is due first, at most limit.
func (s *Store) queryEither(ctx context.Context, service string, one, other *sql.Stmt, at int64, limit int) ([]store.Claim, error) {
	claims, err := s.queryClaims(ctx, service, one, false, at, limit)
	if err != nil {
		return nil, err
	}
	more, err := s.queryClaims(ctx, service, other, false, at, limit)
	if len(more) == 0 || err != nil {
		return claims, err
	}
	claims = append(claims, more...)
	slices.SortStableFunc(claims, func(a, b store.Claim) int { return a.NextAttempt.Compare(b.NextAttempt) })
	return claims[:min(len(claims), limit)], nil
}

// ClaimByEventID implements [store.Store].
func (s *Store) ClaimByEventID(ctx context.Context, service, eventID string) (store.Claim, error) {
	claims, err := s.queryClaims(ctx, service, s.q.claimByEventID, true, eventID)
	if err == nil && len(claims) == 0 {
		err = store.ErrNotFound
	}
	if err != nil {
		return store.Claim{}, s.reading("claim by event id", err)
	}
	return claims[0], nil
}

// Claims implements [store.Store].
func (s *Store) Claims(ctx context.Context, service string, page store.Page) ([]store.ClaimInfo, error) {
	date, id := int64(math.MaxInt64), "" // after every claim
	if page.After != nil {
		date, id = page.After.Date.UnixMicro(), page.After.ID
	}
	if page.OldestFirst && page.After == nil {
		date = math.MinInt64 // before every claim
	}
	q, args := s.q.claims, []any{date, id, page.Limit}
	switch {
	case page.Key != nil:
		q, args = s.q.claimsByKey, append([]any{[]byte(*page.Key), stateNum(page.State), string(page.Completion)}, args...)
	case page.Completion != "":
		q, args = s.q.claimsByCompletion, append([]any{string(page.Completion), stateNum(page.State)}, args...)
	case page.OldestFirst:
		q, args = s.q.claimsOldest, append([]any{stateNum(page.State)}, args...)
	case page.State != "":
		q, args = s.q.claimsByState, append([]any{stateNum(page.State)}, args...)
	}
	claims, err := s.queryClaims(ctx, service, q, false, args...)
	return toInfos(claims), s.reading("claims", err)
}

func toInfos(claims []store.Claim) []store.ClaimInfo {
	infos := make([]store.ClaimInfo, len(claims))
	for i := range claims {
		infos[i] = claims[i].ClaimInfo
	}
	return infos
}

// Backlog implements [store.Store].
func (s *Store) Backlog(ctx context.Context, service string) (n int, oldest time.Time, err error) {
	num, ok, err := s.serviceNum(ctx, service)
	if ok && err == nil {
		var first sql.NullInt64
		err = s.q.backlog.QueryRowContext(ctx, num).Scan(&n, &first)
		if n > 0 {
			oldest = instant(first.Int64)
		}
	}
	return n, oldest, s.reading("backlog", err)
}

// queryClaims returns the claims that the query finds. Its first argument is the service.
func (s *Store) queryClaims(ctx context.Context, service string, q *sql.Stmt, withLists bool, args ...any) (_ []store.Claim, err error) {
	num, ok, err := s.serviceNum(ctx, service)
	if !ok || err != nil {
		return nil, errors.Join(err, ctx.Err())
	}
	rows, err := q.QueryContext(ctx, append([]any{num}, args...)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var claims []store.Claim
	for rows.Next() {
		c := store.Claim{ClaimInfo: store.ClaimInfo{Service: service}}
		var date, nextAttempt, publishedAt int64
		var state int
		var lists, gather, window, targets sql.RawBytes
		fields := []any{
			&c.ID, &c.EventID, &c.TriggerType, &date, &c.Owner, &c.NumberOfEvents, &state, &c.Size,
			&c.Attempts, &nextAttempt, &publishedAt, &c.LastError, &window, &targets, &c.Parts,
		}
		if withLists {
			fields = append(fields, &gather, &lists)
		}
		if err := rows.Scan(fields...); err != nil {
			return nil, err
		}
		c.State = states[state]
		if err := decodeDetails(&c.ClaimInfo, window, targets); err != nil {
			return nil, err
		}
		c.Date, c.NextAttempt, c.PublishedAt = instant(date), instant(nextAttempt), instant(publishedAt)
		if withLists {
			c.Gather = bytes.Clone(gather)
			if c.Lists, err = decodeLists(lists); err != nil {
				return nil, err
			}
		}
		claims = append(claims, c)
	}
	return claims, rows.Err()
}
