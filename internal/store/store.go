// Package store is the contract that every storage driver keeps.
//
// A driver keeps three things per service: immutable events, pending pointers to the
// events that wait in a window, and claims, which are the outbox. docs/decisions/001 says
// why pointers are apart from events, and 002 how a claim is committed. A driver also keeps
// documents for all other use cases (see [Docs], docs/decisions/006). The logic is above
// the driver: a driver decides nothing about windows.
//
// Every driver promises:
//
//   - A write that returned nil is durable: it survives kill -9.
//   - Reads are strong: a read that begins after a write returned sees that write.
//   - Many goroutines may call every method at once. Many processes may, on stores that
//     processes share.
//   - Times are exact to the microsecond. Callers pass whole microseconds.
//   - Names (services, keys) are any non-empty Unicode of any length. A driver encodes
//     them for its own namespace without collisions.
//   - Every method honours ctx. An error that is none of this package's, and has no fault
//     code, means that the store did not answer. A write may then have happened or not, and
//     it is safe to repeat the call. [Coded] says so to the use cases.
package store

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/headgate/headgate/internal/event"
)

// ErrConflict means that a conditional write was refused, because another writer changed
// the data first. Nothing was written. The caller reads again and decides again.
var ErrConflict = errors.New("store: changed by another writer")

// ErrNotFound means that the event, claim or document named does not exist.
var ErrNotFound = errors.New("store: not found")

// Endpoint names one endpoint's pending set.
type Endpoint struct {
	Service string
	Key     string
	// Shards spreads the pending set over this many collections, for stores that limit the
	// write rate of a sequential index. 0 and 1 mean one collection. A store without such
	// a limit ignores it.
	Shards int
}

// Pointer refers to an event that waits in a window.
type Pointer = event.Ref

// Append is a request to store an event and its pointer.
type Append struct {
	Event    event.Event
	Endpoint Endpoint
	// Attempt is random per request. A driver keeps it beside the event. If the answer to a
	// commit was lost, the driver recognises the request's own event by it, and does not
	// report a duplicate.
	Attempt string
	// ForgetBefore ends the memory of ids. An event that is stored under the same id makes
	// this one a duplicate only if it was received after this instant. An older one is moved
	// to event.ArchivedID, because a claim may still name it. Its stale pointer stays, and
	// the new event is stored under the id.
	ForgetBefore time.Time
	// ForgetAfter does the same for an event that was received after this instant. A clock
	// that was far ahead has stamped it, and its id would be remembered until that future
	// has passed. Zero means no bound.
	ForgetAfter time.Time
	ExpireAt    time.Time // from then on the store may delete the event
	// Place is the event's place in a set of keys; nil: it waits in the endpoint's plain set.
	Place *Place
}

// AppendResult answers one Append.
type AppendResult struct {
	Duplicate  bool
	ReceivedAt time.Time // of the stored event: the first one's, if Duplicate
	Err        error     // the event is not stored, or the store did not answer
	// Superseded is the event that lost the slot of Place, and waits no longer: the one that
	// waited there before, or this one. Its zero value means that neither did. One that was
	// received until Place.Over had left its window: no other event counts in its place.
	Superseded event.Ref
}

// Forgotten reports whether an event that is stored under the same id, and was received at
// the given instant, is forgotten: then a is a new event and no duplicate.
func (a *Append) Forgotten(receivedAt time.Time) bool {
	return !receivedAt.After(a.ForgetBefore) || !a.ForgetAfter.IsZero() && receivedAt.After(a.ForgetAfter)
}

// Member is an event inside a claim. A driver keeps all of its fields, Size too.
type Member = event.Ref

// State of a claim.
type State string

// A claim is created Claimed, and becomes Published when its targets have acknowledged the
// message. It never goes back. A Dropped one is the record of a window that was closed
// without a message; it is final from the start. A claim becomes Failed when some of its
// targets are given up and the others have acknowledged. It is not published again by itself,
// but a replay can still make it Published.
const (
	Claimed   State = "claimed"
	Published State = "published"
	Dropped   State = "dropped"
	Failed    State = "failed"
)

// Completion says why a window was released.
type Completion string

// The completions of a window. The zero value is that of a service without deadlines.
const (
	Complete     Completion = "complete"   // the condition held
	Partial      Completion = "partial"    // the window closed before
	Manual       Completion = "manual"     // somebody triggered it
	DeadLettered Completion = "deadLetter" // it closed before, and went to the dead letters
	Expired      Completion = "dropped"    // it closed before, and nothing was sent
)

// Window describes the window that a claim took from a set of keys.
type Window struct {
	Key            string // correlation key
	Completion     Completion
	Opened, Closes time.Time // zero for windows that have no such time
	Missing        []Shortfall
	Reason         string // of a single event's dead letter; "" for a window
}

// ClosedIncomplete reports whether the window closed before it was complete.
func (w *Window) ClosedIncomplete() bool {
	return w.Reason == "" && (w.Completion == Partial || w.Completion == DeadLettered || w.Completion == Expired)
}

// Shortfall tells that an endpoint had fewer events than it needed.
type Shortfall struct {
	Key        string // of the endpoint
	Have, Need int
}

// Target is the state of a claim's message at one of the service's targets.
type Target struct {
	Name        string
	Attempts    int
	NextAttempt time.Time // zero once delivered or given up
	DeliveredAt time.Time // zero until then
	LastError   string
}

// Delivered reports whether the target has acknowledged the message.
func (t Target) Delivered() bool { return !t.DeliveredAt.IsZero() }

// GivenUp reports whether no further attempt is made.
func (t Target) GivenUp() bool { return !t.Delivered() && t.NextAttempt.IsZero() }

// Claim is a released window. It is also the outbox entry of the window's message.
type Claim struct {
	ClaimInfo
	Lists []event.List // in configuration order
	// Docs are documents that the claim's commit writes too, at most MaxClaimDocs, each with
	// Any. They are stored exactly if the claim is. A driver does not return them.
	Docs []Write
}

// MaxClaimDocs is the most documents that a claim's commit writes.
const MaxClaimDocs = 4

// ClaimInfo is a claim without its members.
type ClaimInfo struct {
	ID             string // 32 hex digits; unique within the service
	Service        string
	EventID        string // hex MD5 of the included ids; unique within the service
	TriggerType    string
	Date           time.Time
	Owner          string // random per attempt to claim: an instance recognises its own commit by it
	NumberOfEvents int    // included
	State          State
	Size           int64     // of the message in bytes; an estimate until published
	Attempts       int       // to publish
	NextAttempt    time.Time // from then on any instance may publish; zero once published
	PublishedAt    time.Time
	// LastError is the error of the last attempt to publish. It is empty while an attempt is
	// under way. So a claim without LastError is leased by a publisher until NextAttempt, and
	// a claim with LastError only backs off until then.
	LastError string
	// Window is nil for a claim from plain sets by a service without further rules.
	Window *Window
	// Targets are empty if the service has one target, whose state is the claim's own.
	Targets []Target
	// Parts is the number of parts of a claim in parts, which have the members that its Lists
	// lack; 0 for any other claim.
	Parts int
	// Gather is the caller's own record of a claim in parts. Lists of claims may lack it.
	Gather []byte
	// ExpireAt of a Dropped claim: from then on the store may delete it. A driver need not
	// return it.
	ExpireAt time.Time
}

// Taken lists the pointers that a claim consumes from one endpoint.
type Taken struct {
	Endpoint Endpoint
	Pointers []Pointer // of the plain set
	Waiting  []Waiting // of the set of keys: each must wait as it was read
}

// Summary describes an endpoint's pending events.
type Summary struct {
	Count       int
	First, Last time.Time // zero when Count is 0
}

// Cursor is a position in a list that is ordered by time: that of the entry listed last.
type Cursor struct {
	Date time.Time
	ID   string
}

// Page selects a part of the list of claims.
type Page struct {
	State State // "" for any
	// Key selects the claims of one correlation key; nil for any.
	Key *string
	// Completion selects the claims of windows that were released for this reason; "" for
	// any. A claim without a Window has none.
	Completion Completion
	After      *Cursor // nil: from the beginning
	Limit      int     // > 0
	// OldestFirst reverses the order. It needs a State, and goes with no Key and no Completion.
	OldestFirst bool
}

// Outcome is the result of an attempt to publish.
type Outcome struct {
	PublishedAt time.Time // zero if it failed
	Size        int64
	ExpireAt    time.Time // from then on the store may delete a published or failed claim
	NextAttempt time.Time // of a failed attempt: the earliest time of the next
	Error       string    // of a failed attempt
	Targets     []Target  // of an attempt at several targets: their states now
	Parts       int       // of the claim: they expire with it
	// Failed, with no PublishedAt: no further attempt is made. The claim becomes Failed.
	Failed bool
}

// Merge returns the states of a claim's targets after the outcome, of which stored has those
// before it. A target that has acknowledged stays so: an attempt that lost its lease may
// settle late, and must not have the message sent again.
func (o *Outcome) Merge(stored []Target) []Target {
	merged := slices.Clone(o.Targets)
	for i, t := range merged {
		if n := slices.IndexFunc(stored, func(s Target) bool { return s.Name == t.Name && s.Delivered() }); n >= 0 {
			merged[i] = stored[n]
		}
	}
	return merged
}

// Store is implemented by every driver.
type Store interface {
	Windows
	Received
	Parts

	// Append stores each event together with its pointer, both or neither. Results are in
	// the order of the requests. Events may share a commit, but a refused event (a duplicate,
	// one too large) does not fail the others. Of two events with the same id in one call,
	// one is a duplicate. A duplicate stores nothing. Idempotent by event id. An event whose
	// Place has a slot waits there, or is stored without a pointer if the slot stays with
	// another; of several in one call, the later one counts as the newer.
	Append(ctx context.Context, events []Append) []AppendResult

	// Pending returns the pointers received strictly after the instant, oldest first, by
	// (receivedAt, id). It returns at most limit of them, or all if limit is 0.
	Pending(ctx context.Context, ep Endpoint, after time.Time, limit int) ([]Pointer, error)

	// Count returns the number of pointers that Pending would return, without reading them.
	Count(ctx context.Context, ep Endpoint, after time.Time, limit int) (int, error)

	// Summarize describes the pointers that Pending with limit 0 would return.
	Summarize(ctx context.Context, ep Endpoint, after time.Time) (Summary, error)

	// Claim deletes the taken pointers and creates the claim in one commit, all or nothing.
	// It returns ErrConflict if any pointer is gone, or a claim with that id exists. With
	// nothing taken it only creates the claim and its documents. If the answer to its own commit was lost, it
	// looks for its Owner in the store before it answers. A call takes at most MaxClaim
	// pointers of both kinds.
	Claim(ctx context.Context, c Claim, taken []Taken) error

	// MaxClaim returns the largest number of pointers that one Claim may take.
	MaxClaim() int

	// Discard deletes those of the pointers that are still pending, and returns their
	// number. It does not count pointers that a claim took. Not atomic as a whole.
	Discard(ctx context.Context, ep Endpoint, ps []Pointer) (int, error)

	// Stale returns at most limit pointers received at or before the instant.
	Stale(ctx context.Context, ep Endpoint, upTo time.Time, limit int) ([]Pointer, error)

	// Events returns the events named, in that order. It finds archived ones too (see
	// Append.ForgetBefore). It returns ErrNotFound if one has expired. The caller bounds the
	// sum of their sizes.
	Events(ctx context.Context, service string, members []Member) ([]event.Event, error)

	// Due returns claims in state Claimed or Gathering: first those whose NextAttempt is not after now,
	// the longest due first; then, unless beyond is zero, those whose NextAttempt is after
	// beyond, which only a clock that was ahead can have set. At most limit of each.
	Due(ctx context.Context, service string, now, beyond time.Time, limit int) ([]ClaimInfo, error)

	// Lease gives the caller a Claimed or Gathering claim until the instant: it sets NextAttempt, adds 1
	// to Attempts and clears LastError. It returns ErrConflict unless Attempts still is the
	// given number, because another instance has leased the claim then.
	Lease(ctx context.Context, service, id string, attempts int, until time.Time) error

	// Settle records the outcome of an attempt to publish. A Published claim stays Published,
	// even if a late attempt reports a failure. A Failed one becomes Published, or stays
	// Failed. The states of targets are merged with those in the store (see Outcome.Merge) in
	// the same commit. ErrNotFound if there is no such claim.
	Settle(ctx context.Context, service, id string, o Outcome) error

	// ClaimByEventID returns the claim with that eventID, or ErrNotFound.
	ClaimByEventID(ctx context.Context, service, eventID string) (Claim, error)

	// Claims lists claims, except those in state Gathering, newest first by (Date, ID), both descending; with
	// Page.OldestFirst both ascending.
	Claims(ctx context.Context, service string, page Page) ([]ClaimInfo, error)

	// Backlog returns the number of claims that are not yet published, and the date of the
	// oldest (zero if there are none).
	Backlog(ctx context.Context, service string) (n int, oldest time.Time, err error)

	// Purge deletes at most limit events, claims and documents whose ExpireAt has passed,
	// of all services, and returns their number. It does nothing in a store that expires
	// data by itself.
	Purge(ctx context.Context, now time.Time, limit int) (int, error)

	// Keep postpones the expiry of the events to until. Events that expire later keep their
	// time. If the first event already expires at until or later, Keep may take all for kept.
	// It therefore postpones the first one last, so that a call that was cut off is repeated
	// in full. ErrNotFound if the first event is gone.
	Keep(ctx context.Context, service string, members []Member, until time.Time) error

	// Now returns the store's own time, which is independent of every instance's clock. ok
	// is false if the store has none.
	Now(ctx context.Context) (now time.Time, ok bool, err error)

	// Writable returns nil if the store takes writes: a commit succeeded a moment ago, or
	// the driver has just tried one of its own (see [Writes]). It is cheap enough to be
	// called every second. Its error says why the store takes none, for the log.
	Writable(ctx context.Context) error

	// Close releases all resources. Calls under way may fail.
	Close() error
}
