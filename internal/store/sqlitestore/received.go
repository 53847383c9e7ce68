package sqlitestore

import (
	"context"
	"database/sql"
	"encoding/hex"
	"math"

	"github.com/headgate/headgate/internal/store"
)

// EventsBetween implements [store.Received]. Each page is a query of its own, so a slow
// reader holds no transaction open, which would keep the write-ahead log from shrinking.
func (s *Store) EventsBetween(ctx context.Context, service string, in store.Span, after *store.Cursor, limit int) ([]store.Stored, error) {
	page, err := s.eventsBetween(ctx, service, in, after, limit)
	return page, s.reading("list events", err)
}

func (s *Store) eventsBetween(ctx context.Context, service string, in store.Span, after *store.Cursor, limit int) ([]store.Stored, error) {
	num, ok, err := s.serviceNum(ctx, service)
	if !ok || err != nil {
		return nil, err
	}
	// Each id is greater than the empty one: without a cursor, the position is just before
	// the first event of the span.
	from, id, to := int64(math.MinInt64), []byte{}, int64(math.MaxInt64)
	if !in.From.IsZero() {
		from = in.From.UnixMicro()
	}
	if !in.To.IsZero() {
		to = in.To.UnixMicro()
	}
	if after != nil && after.Date.UnixMicro() >= from {
		from = after.Date.UnixMicro()
		if id, err = encodeID(after.ID); err != nil {
			return nil, err
		}
	}
	rows, err := s.q.eventsBetween.QueryContext(ctx, num, from, id, to, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var page []store.Stored
	var key sql.RawBytes
	for rows.Next() {
		var e store.Stored
		var receivedAt int64
		if err := rows.Scan(&key, &receivedAt, &e.Size, &e.Key); err != nil {
			return nil, err
		}
		e.ID, e.ReceivedAt = hex.EncodeToString(key), instant(receivedAt)
		page = append(page, e)
	}
	return page, rows.Err()
}
