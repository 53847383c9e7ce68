package store

import (
	"context"
	"time"

	"github.com/headgate/headgate/internal/event"
)

// Place says where an event waits, in a service whose windows are set apart by a
// correlation key or by deadlines. Without a Place, an event waits in its endpoint's plain
// set, which [Store.Pending] reads. The two kinds of sets never mix.
type Place struct {
	// Key is the correlation key; "" is a key as well. At most MaxKeyBytes.
	Key string
	// At is the window's time: the receipt, or the event's own time. It orders the set.
	At time.Time
	// Slot, if it is not "", is a hash: of the events of one endpoint, key and slot, one
	// waits at a time. Lower-case hex digits.
	Slot string
	// KeepFirst says that the event that waits in the slot stays there, and this one is
	// superseded. Otherwise this one takes the place of one that was not received later.
	KeepFirst bool
	// HoldAt says that an event which takes the place of another also takes its At.
	HoldAt bool
	// Over, if it is not zero, is the latest receipt of the events that have left their
	// window. Such an event in the slot gives the slot away as if it did not wait there.
	Over time.Time
}

// MaxKeyBytes is the length of the longest correlation key.
const MaxKeyBytes = 1000

// Waiting is the pointer to an event that waits in a window of a key. Its Rev is the
// driver's: it changes when another event takes the slot, so a claim or a Discard takes
// exactly the event that its caller has read.
type Waiting = event.Waiting

// Span is a half-open interval of times: from <= t < to. A zero time is no bound.
type Span struct{ From, To time.Time }

// Has reports whether the instant is in the span.
func (s Span) Has(at time.Time) bool {
	return (s.From.IsZero() || !at.Before(s.From)) && (s.To.IsZero() || at.Before(s.To))
}

// Windows is the part of a [Store] that keeps the sets of keys. The cost of each call
// depends neither on how many events wait under other keys, nor on how many keys there are.
type Windows interface {
	// WaitingOf returns the pointers of one key in the span, in their order. It returns at
	// most limit of them, or all if limit is 0. slots says that the endpoint's events may
	// have slots; without it, a driver may leave out those that have one.
	WaitingOf(ctx context.Context, ep Endpoint, key string, in Span, slots bool, limit int) ([]Waiting, error)

	// WaitingUpTo returns at most limit pointers of all keys whose At is not after the
	// instant, in their order, after the cursor (nil: from the beginning). A zero instant
	// is no bound.
	WaitingUpTo(ctx context.Context, ep Endpoint, upTo time.Time, after *Cursor, limit int) ([]Waiting, error)

	// CountWaiting counts the pointers of all keys, no further than limit unless that is 0.
	CountWaiting(ctx context.Context, ep Endpoint, limit int) (int, error)

	// DiscardWaiting deletes those of the pointers that still wait as they were read, and
	// returns their number. It does not count pointers that a claim took or that another
	// event replaced. Not atomic as a whole.
	DiscardWaiting(ctx context.Context, ep Endpoint, ws []Waiting) (int, error)
}

// Look names what a [Windows.WaitingOf] with these arguments reads.
type Look struct {
	Endpoint Endpoint
	Key      string
	In       Span
	Slots    bool
	Limit    int // not 0
}

// ManyWindows is a [Windows] for which many looks at once cost little more than one. A driver
// whose looks each cost a request of their own does not implement it.
type ManyWindows interface {
	// WaitingOfMany returns the answers of WaitingOf to the looks, in their order.
	WaitingOfMany(ctx context.Context, looks []Look) ([][]Waiting, error)
}
