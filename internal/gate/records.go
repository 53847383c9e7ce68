package gate

import (
	"context"
	"errors"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/platform/budget"
	"github.com/headgate/headgate/internal/store"
)

// recordBytes bounds the events of a list that are read at a time, unless one is larger. It
// is small, because a client that reads slowly holds their memory until it has them.
const recordBytes = 1 << 20

// RecordQuery selects stored events.
type RecordQuery struct {
	Received store.Span
	After    *store.Cursor // nil: from the beginning
	EventKey string        // "" for any, else also one that is not configured any more
	Key      *string       // the correlation key; nil for any
}

// Records passes the stored events to write, in the order of (receivedAt, id), whether they
// still wait or not. It calls write with a few events at a time, and holds memory for them
// alone. It ends when no further event is stored.
//
// An error of write ends it and is returned. After any error, next is where the list goes
// on; nil if nothing was written.
//
// With a key, all events of the span are read: no index has the keys of claimed events, for
// it would be written with every event.
func (g *Gate) Records(ctx context.Context, q RecordQuery, write func([]event.Record) error) (next *store.Cursor, err error) {
	if err := g.checkKey(q.Key); err != nil {
		return nil, err
	}
	room := g.answers.Hold()
	defer room.Release()
	for after := q.After; ; {
		page, err := g.store.EventsBetween(ctx, g.svc.ServiceName, q.Received, after, pageEvents)
		if err != nil {
			return next, g.unread(ctx, err, next)
		}
		if len(page) == 0 {
			return next, nil
		}
		for len(page) > 0 {
			chunk, refs := chunkOf(page, q.EventKey)
			records, err := g.records(ctx, room, refs, q.Key)
			if err != nil {
				return next, g.unread(ctx, err, next)
			}
			if len(records) > 0 {
				if err := write(records); err != nil {
					return next, err
				}
			}
			last := chunk[len(chunk)-1]
			after = &store.Cursor{Date: last.ReceivedAt, ID: last.ID}
			if len(records) > 0 || next != nil {
				next = after
			}
			page = page[len(chunk):]
		}
	}
}

// unread returns the error of reading events. If some are written, no other place can log
// the cause: the answer has begun, and its connection is aborted.
func (g *Gate) unread(ctx context.Context, err error, next *store.Cursor) error {
	if next != nil && ctx.Err() == nil {
		g.log.WarnContext(ctx, "a list of events broke off; the client can go on where it ended", "error", err)
	}
	return unavailable(err, "the events could not be read")
}

// chunkOf returns the beginning of the page that is read at once, and the references of
// those of its events that have the eventKey ("": any).
func chunkOf(page []store.Stored, eventKey string) (chunk []store.Stored, refs []event.Ref) {
	size := int64(0)
	for i, e := range page {
		if eventKey != "" && e.Key != eventKey {
			continue
		}
		if size += e.Size; size > recordBytes && len(refs) > 0 {
			return page[:i], refs
		}
		refs = append(refs, e.Ref)
	}
	return page, refs
}

// records reads the events, and takes the memory that they need until the next call. An
// event that has expired meanwhile is left out.
func (g *Gate) records(ctx context.Context, room *budget.Hold, refs []event.Ref, key *string) ([]event.Record, error) {
	if len(refs) == 0 {
		return nil, nil
	}
	size, largest := int64(0), int64(0)
	for _, r := range refs {
		size, largest = size+r.Size, max(largest, r.Size)
	}
	if err := room.Resize(ctx, 16<<10+3*size+12*largest); err != nil { // as read, as records, and one as JSON
		return nil, err
	}
	events, err := g.events(ctx, refs)
	if errors.Is(err, store.ErrNotFound) {
		events, err = g.eventsLeft(ctx, refs)
	}
	if err != nil {
		return nil, err
	}
	records := make([]event.Record, 0, len(events))
	for _, e := range events {
		if key == nil || e.Meta.CorrelationKey == *key {
			records = append(records, event.RecordOf(g.svc.ServiceName, e))
		}
	}
	return records, nil
}

// eventsLeft returns those of the events that have not expired.
func (g *Gate) eventsLeft(ctx context.Context, refs []event.Ref) (left []event.Event, err error) {
	for _, r := range refs {
		one, err := g.events(ctx, []event.Ref{r})
		switch {
		case err == nil:
			left = append(left, one...)
		case !errors.Is(err, store.ErrNotFound):
			return nil, err
		}
	}
	return left, nil
}

// opens reports whether the event's content is the data of the push that carried it.
func (g *Gate) opens(endpoint int, e *Incoming) bool {
	return e.Push != nil && (e.Opened || endpoint != noEndpoint && g.svc.Endpoints[endpoint].Unwrap == "pubsub")
}

// metaOf returns what is stored of the event beside its content.
func (g *Gate) metaOf(endpoint int, e *Incoming, correlationKey string) event.Meta {
	meta := e.Meta
	meta.CorrelationKey = correlationKey
	if g.opens(endpoint, e) {
		event.Rules{Drop: g.svc.RedactHeaders, Keep: g.svc.KeepHeaders}.PubSub(&meta, e.Push.PubSub)
	}
	return meta
}
