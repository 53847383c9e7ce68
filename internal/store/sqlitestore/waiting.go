package sqlitestore

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"math"
	"time"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/store"
)

// addWaitingAt adds the pointer of an event to the set of its key. If the place has a slot,
// it returns the event that lost the slot.
func (t *tx) addWaitingAt(p *store.Place, endpoint int64, ref event.Ref, id []byte) (lost event.Ref, err error) {
	at := p.At.UnixMicro()
	first, slot := at, any(nil)
	if p.Slot != "" {
		slot = []byte(p.Slot)
		// Most slots are free, and one statement is enough for them.
		n, err := change(t.takeSlot, endpoint, []byte(p.Key), at, id, ref.ReceivedAt.UnixMicro(), ref.Size, first, slot)
		if n > 0 || err != nil {
			return lost, err
		}
		var there struct {
			id                          []byte
			at, receivedAt, size, first int64
		}
		err = t.waitingIn.QueryRowContext(context.Background(), endpoint, []byte(p.Key), slot).
			Scan(&there.id, &there.at, &there.receivedAt, &there.size, &there.first)
		found := err == nil
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return lost, err
		}
		over := found && !p.Over.IsZero() && there.receivedAt <= p.Over.UnixMicro()
		if found && !over && (p.KeepFirst || there.receivedAt > ref.ReceivedAt.UnixMicro()) {
			return ref, nil
		}
		if found {
			lost = event.Ref{ID: hex.EncodeToString(there.id), ReceivedAt: instant(there.receivedAt), Size: there.size}
			if _, err := change(t.deleteWaiting, endpoint, []byte(p.Key), there.at, there.id); err != nil {
				return lost, err
			}
		}
		if found && !over {
			if first = there.first; p.HoldAt {
				at = there.at
			}
		}
	}
	_, err = change(t.addWaiting, endpoint, []byte(p.Key), at, id, ref.ReceivedAt.UnixMicro(), ref.Size, first, slot)
	return lost, err
}

// WaitingOf implements [store.Windows].
func (s *Store) WaitingOf(ctx context.Context, ep store.Endpoint, key string, in store.Span, _ bool, limit int) ([]store.Waiting, error) {
	from, to := int64(math.MinInt64), int64(math.MaxInt64)
	if !in.From.IsZero() {
		from = in.From.UnixMicro()
	}
	if !in.To.IsZero() {
		to = in.To.UnixMicro()
	}
	ws, err := s.waiting(brief(ctx, limit), s.q.waitingOf, ep, []byte(key), from, to, unlimited(limit))
	return ws, s.reading("waiting of a key", err)
}

// WaitingUpTo implements [store.Windows].
func (s *Store) WaitingUpTo(ctx context.Context, ep store.Endpoint, upTo time.Time, after *store.Cursor, limit int) ([]store.Waiting, error) {
	at, id, last := int64(math.MinInt64), []byte{}, int64(math.MaxInt64)
	if after != nil {
		at = after.Date.UnixMicro()
		var err error
		if id, err = encodeID(after.ID); err != nil {
			return nil, err
		}
	}
	if !upTo.IsZero() {
		last = upTo.UnixMicro()
	}
	ws, err := s.waiting(brief(ctx, limit), s.q.waitingUpTo, ep, at, id, last, limit)
	return ws, s.reading("waiting of all keys", err)
}

// waiting returns the pointers that the query finds. Its first argument is the endpoint.
func (s *Store) waiting(ctx context.Context, q *sql.Stmt, ep store.Endpoint, args ...any) ([]store.Waiting, error) {
	num, ok, err := s.endpointNum(ctx, ep)
	if !ok || err != nil {
		return nil, err
	}
	rows, err := q.QueryContext(ctx, append([]any{num}, args...)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var ws []store.Waiting
	var key, id, slot sql.RawBytes
	for rows.Next() {
		var w store.Waiting
		var at, receivedAt, first int64
		if err := rows.Scan(&key, &at, &id, &receivedAt, &w.Size, &first, &slot); err != nil {
			return nil, err
		}
		readWaiting(&w, key, id, slot, at, receivedAt, first)
		ws = append(ws, w)
	}
	return ws, rows.Err()
}

// readWaiting gives the pointer the columns of its row.
func readWaiting(w *store.Waiting, key, id, slot []byte, at, receivedAt, first int64) {
	w.Key, w.ID, w.Slot = string(key), hex.EncodeToString(id), string(slot)
	w.At, w.ReceivedAt, w.First = instant(at), instant(receivedAt), instant(first)
}

// CountWaiting implements [store.Windows].
func (s *Store) CountWaiting(ctx context.Context, ep store.Endpoint, limit int) (n int, err error) {
	num, ok, err := s.endpointNum(ctx, ep)
	if ok && err == nil {
		err = s.q.countWaiting.QueryRowContext(ctx, num, unlimited(limit)).Scan(&n)
	}
	return n, s.reading("count what waits", err)
}

// DiscardWaiting implements [store.Windows].
func (s *Store) DiscardWaiting(ctx context.Context, ep store.Endpoint, ws []store.Waiting) (int, error) {
	keys, err := encodeWaiting(ws)
	if err != nil {
		return 0, err
	}
	return s.discard(ctx, ep, len(keys), func(tx *tx, endpoint int64, i int) (int, error) {
		return change(tx.deleteWaiting, endpoint, keys[i].key, keys[i].at, keys[i].id)
	})
}

// waitingKey is a pointer in the form of the table's primary key. It has the event's id, so
// it is gone when another event has taken the slot.
type waitingKey struct {
	key []byte
	at  int64
	id  []byte
}

func encodeWaiting(ws []store.Waiting) ([]waitingKey, error) {
	if len(ws) == 0 {
		return nil, nil
	}
	keys := make([]waitingKey, len(ws))
	for i, w := range ws {
		id, err := encodeID(w.ID)
		if err != nil {
			return nil, err
		}
		keys[i] = waitingKey{[]byte(w.Key), w.At.UnixMicro(), id}
	}
	return keys, nil
}
