// Package store is the contract that a storage driver keeps.
//
// A driver holds three things per service: events as received (immutable),
// pending pointers to the events that wait in a window, and claims, which are
// the outbox. Logic is above the driver: it decides nothing about windows.
//
// What every driver promises:
//
//   - A method that returned nil is durable: it survives kill -9.
//   - Reads are strong: a read that began after a write returned sees it.
//   - Every method may be called from many goroutines and, on stores that
//     several processes share, from many processes.
//   - Times are exact to the microsecond; callers pass whole microseconds.
//   - Names (services, keys) are any non-empty Unicode of any length; a driver
//     encodes them for its own namespace without collisions.
//   - Every method honours ctx. An error that is none of this package's, and
//     carries no fault code, means that the store did not answer: the effect
//     of a write is then unknown, and repeating the call is safe.
package store

import (
	"context"
	"errors"
	"time"

	"github.com/headgate/headgate/internal/event"
)

// ErrConflict says that a conditional write was refused because what it named
// has changed: another instance was first. Nothing was written. Read again.
var ErrConflict = errors.New("store: changed by another writer")

// ErrNotFound says that the thing named does not exist.
var ErrNotFound = errors.New("store: not found")

// Endpoint names one endpoint's pending set.
type Endpoint struct {
	Service string
	Key     string
	// Shards spreads the pending set over this many collections, for stores
	// that limit writes to one sequential index. 0 and 1 mean one. A store
	// without such a limit ignores it.
	Shards int
}

// Pointer stands for an event that waits in a window.
type Pointer = event.Ref

// Append asks to store an event and its pointer.
type Append struct {
	Event    event.Event
	Endpoint Endpoint
	// Attempt is random per request. A driver keeps it beside the event to
	// tell "stored by this very request, whose answer got lost" from a duplicate.
	Attempt string
	// ForgetBefore: an event already stored under the same id counts as a
	// duplicate only if it was received after this instant. One that is older
	// is moved to event.ArchivedID, its stale pointer left alone, and the new
	// event stored in its place.
	ForgetBefore time.Time
	// ForgetAfter: the same holds for one that was received after this instant,
	// by a clock that was far ahead: its id would never be forgotten. Zero: no
	// instant is too late.
	ForgetAfter time.Time
	ExpireAt    time.Time // when the store may delete the event
}

// AppendResult answers one Append.
type AppendResult struct {
	Duplicate  bool
	ReceivedAt time.Time // of the stored event: the first one's, if Duplicate
	Err        error     // this event is not stored (or, as always, it is unknown)
}

// Forgotten reports whether an event that is stored under the same id, and was
// received at the instant, counts no longer as the same event.
func (a *Append) Forgotten(receivedAt time.Time) bool {
	return !receivedAt.After(a.ForgetBefore) || !a.ForgetAfter.IsZero() && receivedAt.After(a.ForgetAfter)
}

// Member is an event inside a claim. A driver keeps all of its fields, Size too.
type Member = event.Ref

// List is one endpoint's part of a claim.
type List struct {
	Key         string
	Need        int    // minNbOfOccurrence
	Send        string // eventToSend
	Count       int    // events of the window, included or not
	First, Last time.Time
	Included    []Member // in (receivedAt, id) order
}

// State of a claim.
type State string

// A claim is created Claimed and becomes Published once the bus acknowledged it.
const (
	Claimed   State = "claimed"
	Published State = "published"
)

// Claim is a released window: what was taken, and whether it has gone out.
type Claim struct {
	ClaimInfo
	Lists []List // in configuration order
}

// ClaimInfo is a claim without its members.
type ClaimInfo struct {
	ID             string // 32 hex digits; unique within the service
	Service        string
	EventID        string // hex MD5 of the included ids; unique within the service
	TriggerType    string
	Date           time.Time
	Owner          string // random per attempt to claim: tells one's own commit from another's
	NumberOfEvents int    // included
	State          State
	Size           int64     // of the message in bytes; an estimate until published
	Attempts       int       // to publish
	NextAttempt    time.Time // zero once published: when anybody may (re)publish
	PublishedAt    time.Time
	// LastError says why the last attempt to publish failed. While an attempt is
	// under way it is empty: a claim that has one belongs to nobody until NextAttempt,
	// one without is leased until then.
	LastError string
}

// Taken is what a claim consumes from one endpoint.
type Taken struct {
	Endpoint Endpoint
	Pointers []Pointer
}

// Summary describes an endpoint's pending events.
type Summary struct {
	Count       int
	First, Last time.Time // zero when Count is 0
}

// Cursor is a position in the list of claims: the claim listed last.
type Cursor struct {
	Date time.Time
	ID   string
}

// Page of claims.
type Page struct {
	State State   // "" for any
	After *Cursor // nil from the beginning
	Limit int     // > 0
	// OldestFirst reverses the order. It needs a State.
	OldestFirst bool
}

// Outcome is what an attempt to publish came to.
type Outcome struct {
	PublishedAt time.Time // zero: it failed
	Size        int64
	ExpireAt    time.Time // when the store may delete a published claim
	NextAttempt time.Time // when it failed: not before
	Error       string    // when it failed
}

// Store is implemented by every driver.
type Store interface {
	// Append stores each event with its pointer in one commit: both or
	// neither. Results are in the order of the requests. Events may share a
	// commit; one that is refused (a duplicate, one too large) does not fail its
	// neighbours, and two with the same id in one call are one event and a
	// duplicate. A duplicate stores nothing. Idempotent by event id.
	Append(ctx context.Context, events []Append) []AppendResult

	// Pending returns pointers received strictly after the instant, oldest
	// first, by (receivedAt, id); at most limit of them, all if limit is 0.
	Pending(ctx context.Context, ep Endpoint, after time.Time, limit int) ([]Pointer, error)

	// Count returns how many pointers Pending would, without reading them.
	Count(ctx context.Context, ep Endpoint, after time.Time, limit int) (int, error)

	// Summarize describes what Pending with limit 0 would return.
	Summarize(ctx context.Context, ep Endpoint, after time.Time) (Summary, error)

	// Claim deletes every pointer taken and creates the claim, in one commit:
	// all or nothing. It returns ErrConflict if any of the pointers is gone or a
	// claim of that id exists. With nothing taken it only creates the claim.
	// If the outcome of its own commit was lost it finds out by Owner before
	// it answers. A call takes MaxClaim pointers at most.
	Claim(ctx context.Context, c Claim, taken []Taken) error

	// MaxClaim is the largest number of pointers that one Claim may take.
	MaxClaim() int

	// Discard deletes those of the pointers that are still pending and returns
	// how many they were; none that a claim took is counted. Not atomic as a whole.
	Discard(ctx context.Context, ep Endpoint, ps []Pointer) (int, error)

	// Stale returns at most limit pointers received at or before the instant.
	Stale(ctx context.Context, ep Endpoint, upTo time.Time, limit int) ([]Pointer, error)

	// Events returns the events named, in that order, wherever they are now
	// (see Append.ForgetBefore). ErrNotFound if one has expired. The caller
	// bounds the sum of their sizes.
	Events(ctx context.Context, service string, members []Member) ([]event.Event, error)

	// Due returns claims in state Claimed whose NextAttempt is not after now,
	// the one due longest first; then, unless beyond is zero, those whose
	// NextAttempt is after beyond, at most limit of each.
	Due(ctx context.Context, service string, now, beyond time.Time, limit int) ([]ClaimInfo, error)

	// Lease moves a Claimed claim's NextAttempt, counts the attempt and clears
	// LastError, if Attempts is still the number given. ErrConflict: another has it.
	Lease(ctx context.Context, service, id string, attempts int, until time.Time) error

	// Settle records the outcome of an attempt to publish. A claim that is
	// Published stays so. ErrNotFound if there is no such claim.
	Settle(ctx context.Context, service, id string, o Outcome) error

	// ClaimByEventID returns the claim with that eventID, or ErrNotFound.
	ClaimByEventID(ctx context.Context, service, eventID string) (Claim, error)

	// Claims lists claims, newest first by (Date, ID), both descending; with
	// Page.OldestFirst both ascending.
	Claims(ctx context.Context, service string, page Page) ([]ClaimInfo, error)

	// Backlog returns how many claims are not yet published and the date of
	// the oldest (zero if none).
	Backlog(ctx context.Context, service string) (n int, oldest time.Time, err error)

	// Purge deletes at most limit things whose ExpireAt has passed and returns
	// how many. A store that expires by itself does nothing.
	Purge(ctx context.Context, now time.Time, limit int) (int, error)

	// Keep postpones the expiry of the events to until, of those that expire
	// earlier. It may judge all of them by the first, which it postpones last: a call
	// that was cut off is not taken for done. ErrNotFound if the first is gone.
	Keep(ctx context.Context, service string, members []Member, until time.Time) error

	// Now returns the store's own time, which no instance sets. ok is false if it
	// has none.
	Now(ctx context.Context) (now time.Time, ok bool, err error)

	// Writable returns nil if the store takes writes: a commit succeeded a moment
	// ago, or the driver has just tried one of its own (see [Writes]). Cheap enough to
	// be called every second. Its error says why not, for the log.
	Writable(ctx context.Context) error

	// Close releases everything. Calls under way may fail.
	Close() error
}
