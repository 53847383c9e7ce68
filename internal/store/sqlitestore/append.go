package sqlitestore

import (
	"context"
	"encoding/hex"
	"time"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
)

// maxEventBytes is below SQLite's limit for a row, 1,000,000,000.
const maxEventBytes = 900_000_000

// row is an encoded Append.
type row struct {
	index    int // of the Append in its call
	id, meta []byte
	size     int64
}

// Append implements [store.Store].
func (s *Store) Append(ctx context.Context, events []store.Append) []store.AppendResult {
	results := make([]store.AppendResult, len(events))
	for start := 0; start < len(events); {
		rows, end, bytes := encodeRows(events, results, start)
		start = end
		if len(rows) == 0 {
			continue
		}
		answers := make([]store.AppendResult, len(rows))
		err := s.w.do(&op{
			ctx: ctx, what: "append", weight: 2 * len(rows), bytes: bytes,
			run: func(tx *tx) error {
				for i, r := range rows {
					var err error
					if answers[i], err = tx.addEventAndPointer(&events[r.index], r); err != nil {
						return err
					}
				}
				return nil
			},
		})
		for i, r := range rows {
			results[r.index] = answers[i]
			if err != nil {
				results[r.index] = store.AppendResult{Err: err}
			}
		}
	}
	return results
}

// encodeRows encodes events from start on, as many as fit into one op. It refuses events
// that cannot be stored: their results get an error.
func encodeRows(events []store.Append, results []store.AppendResult, start int) (rows []row, end, bytes int) {
	rows = make([]row, 0, min(len(events)-start, maxOpWeight/2))
	for end = start; end < len(events) && len(rows) < maxOpWeight/2 && bytes < maxGroupBytes; end++ {
		e := &events[end].Event
		id, err := encodeID(e.ID)
		if err != nil {
			results[end].Err = err
			continue
		}
		meta := e.MetaJSON()
		size := len(meta) + len(e.Content)
		if size > maxEventBytes {
			results[end].Err = fault.New(fault.TooLarge, "the event has %d bytes, and %d is the most", size, maxEventBytes)
			continue
		}
		rows = append(rows, row{index: end, id: id, meta: meta, size: int64(size)})
		bytes += size
	}
	return rows, end, bytes
}

// addEventAndPointer stores the event with its pointer, unless the event is stored already.
// If an event with the same id is stored, there are three cases. The same attempt stored it:
// that commit was this request's own, and its answer was lost. The id is not forgotten: the
// event is a duplicate. Otherwise the old event moves to its archived id, and the loop adds
// the new one.
func (t *tx) addEventAndPointer(a *store.Append, r row) (store.AppendResult, error) {
	e := &a.Event
	service, err := t.internService(a.Endpoint.Service)
	if err != nil {
		return store.AppendResult{}, err
	}
	endpoint, err := t.internEndpoint(service, a.Endpoint.Key)
	if err != nil {
		return store.AppendResult{}, err
	}
	key := endpoint
	if e.Key != a.Endpoint.Key {
		if key, err = t.internEndpoint(service, e.Key); err != nil {
			return store.AppendResult{}, err
		}
	}
	var content any // NULL stands for empty content
	if len(e.Content) > 0 {
		content = e.Content
	}
	receivedAt := e.ReceivedAt.UnixMicro()
	for {
		n, err := change(t.addEvent, service, r.id, key, receivedAt, expiry(a.ExpireAt), []byte(a.Attempt), r.meta, content)
		if err != nil {
			return store.AppendResult{}, err
		}
		if n == 1 {
			break
		}
		var storedAt int64
		var attempt []byte
		if err := t.event.QueryRowContext(context.Background(), service, r.id).Scan(&storedAt, &attempt); err != nil {
			return store.AppendResult{}, err
		}
		// In the same transaction as the event: without its pointer the event would be acknowledged
		// and never claimed.
		stored := store.AppendResult{ReceivedAt: instant(storedAt)}
		if a.Attempt != "" && a.Attempt == string(attempt) {
			return stored, nil // our own commit, whose answer was lost
		}
		if !a.Forgotten(stored.ReceivedAt) {
			stored.Duplicate = true
			return stored, nil
		}
		archived, err := encodeID(event.ArchivedID(e.ID, stored.ReceivedAt))
		if err != nil {
			return store.AppendResult{}, err
		}
		if _, err := change(t.archiveEvent, archived, service, r.id); err != nil {
			return store.AppendResult{}, err
		}
	}
	// In the same transaction as the event: without its pointer the event would be acknowledged
	// and never claimed.
	stored := store.AppendResult{ReceivedAt: instant(receivedAt)}
	if a.Place == nil {
		_, err = change(t.addPointer, endpoint, receivedAt, r.id, r.size)
	} else {
		stored.Superseded, err = t.addWaitingAt(a.Place, endpoint, event.Ref{ID: e.ID, ReceivedAt: stored.ReceivedAt, Size: r.size}, r.id)
	}
	return stored, err
}

// encodeID decodes the 32 hex digits of an id to 16 bytes.
func encodeID(id string) ([]byte, error) {
	b := make([]byte, hex.DecodedLen(event.IDLen))
	if len(id) != event.IDLen {
		return nil, badID(id)
	}
	if _, err := hex.Decode(b, []byte(id)); err != nil || hex.EncodeToString(b) != id {
		return nil, badID(id)
	}
	return b, nil
}

func badID(id string) error {
	return fault.New(fault.Invalid, "%.40q is not the id of an event", id)
}

func instant(micros int64) time.Time { return time.UnixMicro(micros).UTC() }

// expiry returns the column's value for an ExpireAt. The zero time, never, is NULL.
func expiry(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}
