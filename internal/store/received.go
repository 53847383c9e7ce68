package store

import (
	"context"

	"github.com/headgate/headgate/internal/event"
)

// Stored is a stored event without its content.
type Stored struct {
	event.Ref
	Key string // the endpoint's eventKey
}

// Received is the part of a [Store] that lists events, whether they still wait or not.
type Received interface {
	// EventsBetween returns events of the service that were received in the span, ordered by
	// (receivedAt, id), after the cursor (nil: from the beginning). It returns at most limit
	// of them, and only an empty page is the end: a driver may return fewer. An event that
	// was moved to its archived id has that id, and [Store.Events] finds it by it. The cost
	// depends on the events returned, and not on those outside the span.
	EventsBetween(ctx context.Context, service string, in Span, after *Cursor, limit int) ([]Stored, error)
}
