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

// keepChunk events are kept per commit, so that others do not wait long.
const keepChunk = 1000

// Now implements [store.Store]: a file has no time of its own.
func (s *Store) Now(ctx context.Context) (time.Time, bool, error) {
	return time.Time{}, false, ctx.Err()
}

// Keep implements [store.Store].
func (s *Store) Keep(ctx context.Context, service string, members []store.Member, until time.Time) error {
	for i, chunk := range slices.Collect(slices.Chunk(members, keepChunk)) {
		done := false
		err := s.update(ctx, "keep", service, func(tx *tx, num int64) error {
			for k, m := range chunk {
				changed, err := tx.keep(num, m, until)
				if err != nil {
					return err
				}
				if done = !changed && i == 0 && k == 0; done { // and so are all the others
					return tx.stored(num, m)
				}
			}
			return nil
		})
		if done || err != nil {
			return err
		}
	}
	return nil
}

// keep reports whether the event is there and expired earlier.
func (t *tx) keep(service int64, m store.Member, until time.Time) (bool, error) {
	for _, id := range namesOf(m) {
		key, err := encodeID(id)
		if err != nil {
			return false, err
		}
		if n, err := change(t.keepEvent, until.UnixMicro(), service, key, m.ReceivedAt.UnixMicro()); n > 0 || err != nil {
			return n > 0, err
		}
	}
	return false, nil
}

// stored returns ErrNotFound if the event is not.
func (t *tx) stored(service int64, m store.Member) error {
	for _, id := range namesOf(m) {
		key, err := encodeID(id)
		if err != nil {
			return err
		}
		var storedAt int64
		var attempt []byte
		err = t.event.QueryRowContext(context.Background(), service, key).Scan(&storedAt, &attempt)
		if err == nil && storedAt == m.ReceivedAt.UnixMicro() {
			return nil
		}
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
	}
	return store.ErrNotFound
}

// namesOf returns the ids that an event may be stored under.
func namesOf(m store.Member) []string {
	return []string{m.ID, event.ArchivedID(m.ID, m.ReceivedAt)}
}

// Purge implements [store.Store]. It is of all services.
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
