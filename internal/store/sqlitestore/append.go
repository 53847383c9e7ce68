package sqlitestore

import (
	"context"
	"encoding/hex"
	"errors"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
)

// maxEventBytes is below SQLite's limit for a row, 1,000,000,000.
const maxEventBytes = 900_000_000

// eventsAtOnce is the number of events that one statement stores. To run a statement costs as
// much as to insert a row or two.
const eventsAtOnce = 8

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
				return tx.addEventsAndPointers(events, rows, answers)
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

// addEventsAndPointers stores the events with their pointers, eventsAtOnce of them by one
// statement, and puts what became of each into answers.
func (t *tx) addEventsAndPointers(events []store.Append, rows []row, answers []store.AppendResult) error {
	for i := 0; i < len(rows); {
		end := min(i+eventsAtOnce, len(rows))
		if end-i == eventsAtOnce {
			done, err := t.addNew(events, rows[i:end], answers[i:end])
			if err != nil {
				return err
			}
			if done {
				i = end
				continue
			}
		}
		for ; i < end; i++ {
			var err error
			if answers[i], err = t.addEventAndPointer(&events[rows[i].index], rows[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// addNew stores eventsAtOnce events with their pointers. If the id of one of them is stored
// already, it stores none of them and reports false.
func (t *tx) addNew(events []store.Append, rows []row, answers []store.AppendResult) (done bool, err error) {
	columns, pointers := make([]any, 0, 8*eventsAtOnce), make([]any, 0, 4*eventsAtOnce)
	var places []any // of those that wait in sets of keys
	var endpoints [eventsAtOnce]int64
	for i, r := range rows {
		a := &events[r.index]
		service, endpoint, key, err := t.internPlace(a)
		if err != nil {
			return false, err
		}
		receivedAt := a.Event.ReceivedAt.UnixMicro()
		columns = append(columns, service, r.id, key, receivedAt, expiry(a.ExpireAt), []byte(a.Attempt), r.meta, contentOf(&a.Event))
		pointers = append(pointers, endpoint, receivedAt, r.id, r.size)
		answers[i], endpoints[i] = store.AppendResult{ReceivedAt: instant(receivedAt)}, endpoint
		if a.Place != nil {
			at, slot := a.Place.At.UnixMicro(), any(nil)
			if a.Place.Slot != "" {
				slot = []byte(a.Place.Slot)
			}
			places = append(places, endpoint, []byte(a.Place.Key), at, r.id, receivedAt, r.size, at, slot)
		}
	}
	switch _, err := change(t.addEvents, columns...); {
	case isTaken(err): // SQLite has undone the whole statement
		return false, nil
	case err != nil:
		return false, err
	case len(places) == 0:
		_, err = change(t.addPointers, pointers...)
		return true, err
	case len(places) == 8*eventsAtOnce:
		if _, err = change(t.addWaitings, places...); !isTaken(err) {
			return true, err
		}
		// A slot is taken: each event is placed by itself.
	}
	for i, r := range rows {
		if answers[i].Superseded, err = t.addPointerOf(&events[r.index], r, endpoints[i]); err != nil {
			return false, err
		}
	}
	return true, nil
}

// addPointerOf adds the pointer to a stored event. It is in the transaction of the event:
// without its pointer the event would be acknowledged and never claimed.
func (t *tx) addPointerOf(a *store.Append, r row, endpoint int64) (superseded event.Ref, err error) {
	receivedAt := a.Event.ReceivedAt.UnixMicro()
	if a.Place == nil {
		_, err = change(t.addPointer, endpoint, receivedAt, r.id, r.size)
		return event.Ref{}, err
	}
	return t.addWaitingAt(a.Place, endpoint, event.Ref{ID: a.Event.ID, ReceivedAt: instant(receivedAt), Size: r.size}, r.id)
}

// isTaken reports whether a statement changed nothing because a row with the same unique
// columns exists.
func isTaken(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && (e.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || e.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY)
}

// internPlace returns the numbers of the event's service, of the endpoint in whose set it
// waits, and of its own endpoint.
func (t *tx) internPlace(a *store.Append) (service, endpoint, key int64, err error) {
	if service, err = t.internService(a.Endpoint.Service); err != nil {
		return 0, 0, 0, err
	}
	if endpoint, err = t.internEndpoint(service, a.Endpoint.Key); err != nil {
		return 0, 0, 0, err
	}
	key = endpoint
	if a.Event.Key != a.Endpoint.Key {
		key, err = t.internEndpoint(service, a.Event.Key)
	}
	return service, endpoint, key, err
}

// contentOf returns the column content of an event; NULL stands for empty content.
func contentOf(e *event.Event) any {
	if len(e.Content) == 0 {
		return nil
	}
	return e.Content
}

// addEventAndPointer stores the event with its pointer, unless the event is stored already.
// If an event with the same id is stored, there are three cases. The same attempt stored it:
// that commit was this request's own, and its answer was lost. The id is not forgotten: the
// event is a duplicate. Otherwise the old event moves to its archived id, and the loop adds
// the new one.
func (t *tx) addEventAndPointer(a *store.Append, r row) (store.AppendResult, error) {
	e := &a.Event
	service, endpoint, key, err := t.internPlace(a)
	if err != nil {
		return store.AppendResult{}, err
	}
	receivedAt := e.ReceivedAt.UnixMicro()
	for {
		n, err := change(t.addEvent, service, r.id, key, receivedAt, expiry(a.ExpireAt), []byte(a.Attempt), r.meta, contentOf(e))
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
	stored := store.AppendResult{ReceivedAt: instant(receivedAt)}
	stored.Superseded, err = t.addPointerOf(a, r, endpoint)
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
