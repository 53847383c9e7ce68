package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/store"
)

// Now implements [store.Store]. A file has no time of its own.
func (s *Store) Now(ctx context.Context) (time.Time, bool, error) {
	return time.Time{}, false, ctx.Err()
}

// Keep implements [store.Store]. The first event stands for all: Keep reads it first, and
// postpones it last, after every other commit succeeded. A call that was cut off is then
// repeated in full.
func (s *Store) Keep(ctx context.Context, service string, members []store.Member, until time.Time) error {
	if len(members) == 0 {
		return ctx.Err()
	}
	num, ok, err := s.serviceNum(ctx, service)
	if err == nil && !ok {
		return store.ErrNotFound
	}
	kept := false
	if err == nil {
		kept, err = s.kept(ctx, num, members[0], until)
	}
	if err != nil || kept {
		return s.reading("keep", err)
	}
	for _, chunk := range slices.Backward(slices.Collect(slices.Chunk(members, maxOpWeight))) {
		err := s.w.do(&op{ctx: ctx, what: "keep", weight: len(chunk), run: func(tx *tx) error {
			for _, m := range slices.Backward(chunk) {
				if err := tx.postpone(num, m, until); err != nil {
					return err
				}
			}
			return nil
		}})
		if err != nil {
			return err
		}
	}
	return nil
}

// postpone sets the expiry of the event to until, unless it expires later.
func (t *tx) postpone(service int64, m store.Member, until time.Time) error {
	for _, id := range namesOf(m) {
		key, err := encodeID(id)
		if err != nil {
			return err
		}
		if n, err := change(t.keepEvent, until.UnixMicro(), service, key, m.ReceivedAt.UnixMicro()); n > 0 || err != nil {
			return err
		}
	}
	return nil
}

// kept reports whether the event expires at until or later. It returns ErrNotFound if the
// event is gone.
func (s *Store) kept(ctx context.Context, service int64, m store.Member, until time.Time) (bool, error) {
	for _, id := range namesOf(m) {
		key, err := encodeID(id)
		if err != nil {
			return false, err
		}
		var expireAt sql.NullInt64 // NULL: never
		err = s.q.expires.QueryRowContext(ctx, service, key, m.ReceivedAt.UnixMicro()).Scan(&expireAt)
		if err == nil {
			return !expireAt.Valid || expireAt.Int64 >= until.UnixMicro(), nil
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return false, err
		}
	}
	return false, store.ErrNotFound
}

// namesOf returns the ids that an event may be stored under: its own and the archived one.
func namesOf(m store.Member) []string {
	return []string{m.ID, event.ArchivedID(m.ID, m.ReceivedAt)}
}

// Purge implements [store.Store].
func (s *Store) Purge(ctx context.Context, now time.Time, limit int) (int, error) {
	deleted := 0
	err := s.w.do(&op{ctx: ctx, what: "purge", weight: limit, run: func(tx *tx) error {
		events, err := change(tx.purgeEvents, now.UnixMicro(), limit)
		if err != nil {
			return err
		}
		claims, err := change(tx.purgeClaims, now.UnixMicro(), limit-events)
		if err != nil {
			return err
		}
		docs, err := change(tx.purgeDocs, now.UnixMicro(), limit-events-claims)
		deleted = events + claims + docs
		return err
	}})
	if err != nil {
		return 0, err
	}
	return deleted, nil
}
