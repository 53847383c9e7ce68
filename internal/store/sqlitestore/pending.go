package sqlitestore

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/store"
)

// discardChunk is the number of pointers deleted per commit, so that a large Discard does
// not keep other writers waiting.
const discardChunk = 1000

// Pending implements [store.Store].
func (s *Store) Pending(ctx context.Context, ep store.Endpoint, after time.Time, limit int) ([]store.Pointer, error) {
	ps, err := s.pointers(brief(ctx, limit), s.q.pending, ep, after, unlimited(limit))
	return ps, s.reading("pending", err)
}

// Stale implements [store.Store].
func (s *Store) Stale(ctx context.Context, ep store.Endpoint, upTo time.Time, limit int) ([]store.Pointer, error) {
	ps, err := s.pointers(brief(ctx, limit), s.q.stale, ep, upTo, limit)
	return ps, s.reading("stale", err)
}

func (s *Store) pointers(ctx context.Context, q *sql.Stmt, ep store.Endpoint, at time.Time, limit int) ([]store.Pointer, error) {
	num, ok, err := s.endpointNum(ctx, ep)
	if !ok || err != nil {
		return nil, err
	}
	rows, err := q.QueryContext(ctx, num, at.UnixMicro(), limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var ps []store.Pointer
	var id sql.RawBytes
	for rows.Next() {
		var p store.Pointer
		var receivedAt int64
		if err := rows.Scan(&id, &receivedAt, &p.Size); err != nil {
			return nil, err
		}
		p.ID, p.ReceivedAt = hex.EncodeToString(id), instant(receivedAt)
		ps = append(ps, p)
	}
	return ps, rows.Err()
}

// Count implements [store.Store].
func (s *Store) Count(ctx context.Context, ep store.Endpoint, after time.Time, limit int) (n int, err error) {
	num, ok, err := s.endpointNum(ctx, ep)
	if ok && err == nil {
		err = s.q.count.QueryRowContext(ctx, num, after.UnixMicro(), unlimited(limit)).Scan(&n)
	}
	return n, s.reading("count", err)
}

// Summarize implements [store.Store].
func (s *Store) Summarize(ctx context.Context, ep store.Endpoint, after time.Time) (sum store.Summary, err error) {
	num, ok, err := s.endpointNum(ctx, ep)
	if ok && err == nil {
		var first, last sql.NullInt64
		err = s.q.summarize.QueryRowContext(ctx, num, after.UnixMicro()).Scan(&sum.Count, &first, &last)
		if sum.Count > 0 {
			sum.First, sum.Last = instant(first.Int64), instant(last.Int64)
		}
	}
	return sum, s.reading("summarize", err)
}

// Discard implements [store.Store].
func (s *Store) Discard(ctx context.Context, ep store.Endpoint, ps []store.Pointer) (int, error) {
	keys, err := encodePointers(ps)
	if err != nil {
		return 0, err
	}
	return s.discard(ctx, ep, len(keys), func(tx *tx, endpoint int64, i int) (int, error) {
		return change(tx.deletePointer, endpoint, keys[i].receivedAt, keys[i].id)
	})
}

// discard calls remove for the numbers from 0 to n-1, several in a commit, and adds up what
// it removed.
func (s *Store) discard(ctx context.Context, ep store.Endpoint, n int, remove func(tx *tx, endpoint int64, i int) (int, error)) (int, error) {
	num, ok, err := s.endpointNum(ctx, ep)
	if !ok || err != nil {
		return 0, s.reading("discard", err)
	}
	total := 0
	for from := 0; from < n; from += discardChunk {
		to, removed := min(from+discardChunk, n), 0
		if err := s.w.do(&op{ctx: ctx, what: "discard", weight: to - from, run: func(tx *tx) error {
			for i := from; i < to; i++ {
				deleted, err := remove(tx, num, i)
				if err != nil {
					return err
				}
				removed += deleted
			}
			return nil
		}}); err != nil {
			return total, err
		}
		total += removed
	}
	return total, nil
}

// pointerKey is a pointer in the form of the table's columns.
type pointerKey struct {
	receivedAt int64
	id         []byte
}

func encodePointers(ps []store.Pointer) ([]pointerKey, error) {
	keys := make([]pointerKey, len(ps))
	for i, p := range ps {
		id, err := encodeID(p.ID)
		if err != nil {
			return nil, err
		}
		keys[i] = pointerKey{p.ReceivedAt.UnixMicro(), id}
	}
	return keys, nil
}

// Events implements [store.Store].
func (s *Store) Events(ctx context.Context, service string, members []store.Member) ([]event.Event, error) {
	if err := ctx.Err(); err != nil {
		return nil, s.reading("events", err)
	}
	num, ok, err := s.serviceNum(ctx, service)
	if err != nil {
		return nil, s.reading("events", err)
	}
	events := make([]event.Event, 0, len(members))
	for _, m := range members {
		e, err := event.Event{}, store.ErrNotFound
		if ok {
			e, err = s.event(ctx, num, m.ID, m)
			if errors.Is(err, store.ErrNotFound) {
				e, err = s.event(ctx, num, event.ArchivedID(m.ID, m.ReceivedAt), m)
			}
		}
		if err != nil {
			return nil, s.reading("event "+m.ID, err)
		}
		events = append(events, e)
	}
	return events, nil
}

// event returns the member's event if it is stored under the id. An event with the id but
// another time is a later event, and does not count.
func (s *Store) event(ctx context.Context, service int64, id string, m store.Member) (event.Event, error) {
	key, err := encodeID(id)
	if err != nil {
		return event.Event{}, store.ErrNotFound
	}
	e := event.Event{ID: m.ID, ReceivedAt: m.ReceivedAt.UTC()}
	var receivedAt int64
	var meta []byte
	err = s.q.event.QueryRowContext(brief(ctx, 1), service, key).Scan(&receivedAt, &e.Key, &meta, &e.Content)
	if errors.Is(err, sql.ErrNoRows) || err == nil && receivedAt != m.ReceivedAt.UnixMicro() {
		return event.Event{}, store.ErrNotFound
	}
	if err != nil {
		return event.Event{}, err
	}
	e.Meta, err = event.ParseMeta(meta)
	return e, err
}

// fewRows bounds the rows of a query that takes less time than it takes to watch a context.
const fewRows = 1000

// brief returns the context for a query of at most limit rows; 0 means no limit. If they are
// few, the query does not watch ctx, unless that has ended. For each query, watching takes
// two goroutines, and thus more time than to read a few rows by an index.
func brief(ctx context.Context, limit int) context.Context {
	if limit <= 0 || limit > fewRows || ctx.Err() != nil {
		return ctx
	}
	return context.WithoutCancel(ctx)
}

func unlimited(limit int) int {
	if limit == 0 {
		return -1
	}
	return limit
}

// reading adds the name of the call to an error, and remembers an error that shows damage.
func (s *Store) reading(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("sqlitestore: %s: %w", what, s.health.saw(err))
}
