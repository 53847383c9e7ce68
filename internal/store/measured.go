package store

import (
	"context"
	"errors"
	"time"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/meter"
)

// Driver is a driver as deployments use it.
type Driver interface {
	Store
	Docs
}

// Measured returns the driver with a measurement of each operation, under the name of its
// system. It is the driver itself if the meter is nil.
func Measured(d Driver, m *meter.Meter, system string) Driver {
	if m == nil {
		return d
	}
	one := measured{d, m, system}
	if many, ok := d.(ManyWindows); ok {
		return measuredMany{one, many}
	}
	return one
}

// measured does not embed the Driver, or a new method of the contract would not be measured.
type measured struct {
	d      Driver
	meter  *meter.Meter
	system string
}

type measuredMany struct {
	measured
	many ManyWindows
}

// took measures an operation that began then and ended with *err.
func (s measured) took(operation string, began time.Time, err *error) {
	s.meter.Took(meter.StoreDuration, time.Since(began), s.system, operation, errorType(*err))
}

// errorType returns the kind of an error; "" for an answer of the store, which a conflict and
// an absence are, too.
func errorType(err error) string {
	switch {
	case err == nil || errors.Is(err, ErrConflict) || errors.Is(err, ErrNotFound):
		return ""
	case errors.Is(err, context.Canceled):
		return "cancelled"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	}
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return string(f.Code)
	}
	return "_OTHER"
}

func (s measured) Append(ctx context.Context, events []Append) []AppendResult {
	began := time.Now()
	results := s.d.Append(ctx, events)
	var err error // the first one: all of a commit fail together
	for _, r := range results {
		if err == nil {
			err = r.Err
		}
	}
	s.took("Append", began, &err)
	return results
}

func (s measured) Pending(ctx context.Context, ep Endpoint, after time.Time, limit int) (_ []Pointer, err error) {
	defer s.took("Pending", time.Now(), &err)
	return s.d.Pending(ctx, ep, after, limit)
}

func (s measured) Count(ctx context.Context, ep Endpoint, after time.Time, limit int) (_ int, err error) {
	defer s.took("Count", time.Now(), &err)
	return s.d.Count(ctx, ep, after, limit)
}

func (s measured) Summarize(ctx context.Context, ep Endpoint, after time.Time) (_ Summary, err error) {
	defer s.took("Summarize", time.Now(), &err)
	return s.d.Summarize(ctx, ep, after)
}

func (s measured) Claim(ctx context.Context, c Claim, taken []Taken) (err error) {
	defer s.took("Claim", time.Now(), &err)
	return s.d.Claim(ctx, c, taken)
}

func (s measured) MaxClaim() int { return s.d.MaxClaim() }

func (s measured) Discard(ctx context.Context, ep Endpoint, ps []Pointer) (_ int, err error) {
	defer s.took("Discard", time.Now(), &err)
	return s.d.Discard(ctx, ep, ps)
}

func (s measured) Stale(ctx context.Context, ep Endpoint, upTo time.Time, limit int) (_ []Pointer, err error) {
	defer s.took("Stale", time.Now(), &err)
	return s.d.Stale(ctx, ep, upTo, limit)
}

func (s measured) Events(ctx context.Context, service string, members []Member) (_ []event.Event, err error) {
	defer s.took("Events", time.Now(), &err)
	return s.d.Events(ctx, service, members)
}

func (s measured) Due(ctx context.Context, service string, now, beyond time.Time, limit int) (_ []ClaimInfo, err error) {
	defer s.took("Due", time.Now(), &err)
	return s.d.Due(ctx, service, now, beyond, limit)
}

func (s measured) Lease(ctx context.Context, service, id string, attempts int, until time.Time) (err error) {
	defer s.took("Lease", time.Now(), &err)
	return s.d.Lease(ctx, service, id, attempts, until)
}

func (s measured) Settle(ctx context.Context, service, id string, o Outcome) (err error) {
	defer s.took("Settle", time.Now(), &err)
	return s.d.Settle(ctx, service, id, o)
}

func (s measured) ClaimByEventID(ctx context.Context, service, eventID string) (_ Claim, err error) {
	defer s.took("ClaimByEventID", time.Now(), &err)
	return s.d.ClaimByEventID(ctx, service, eventID)
}

func (s measured) Claims(ctx context.Context, service string, page Page) (_ []ClaimInfo, err error) {
	defer s.took("Claims", time.Now(), &err)
	return s.d.Claims(ctx, service, page)
}

func (s measured) Backlog(ctx context.Context, service string) (n int, oldest time.Time, err error) {
	defer s.took("Backlog", time.Now(), &err)
	return s.d.Backlog(ctx, service)
}

func (s measured) Purge(ctx context.Context, now time.Time, limit int) (_ int, err error) {
	defer s.took("Purge", time.Now(), &err)
	return s.d.Purge(ctx, now, limit)
}

func (s measured) Keep(ctx context.Context, service string, members []Member, until time.Time) (err error) {
	defer s.took("Keep", time.Now(), &err)
	return s.d.Keep(ctx, service, members, until)
}

func (s measured) Now(ctx context.Context) (now time.Time, ok bool, err error) {
	defer s.took("Now", time.Now(), &err)
	return s.d.Now(ctx)
}

func (s measured) Writable(ctx context.Context) (err error) {
	defer s.took("Writable", time.Now(), &err)
	return s.d.Writable(ctx)
}

func (s measured) Close() error { return s.d.Close() }

func (s measured) WaitingOf(ctx context.Context, ep Endpoint, key string, in Span, slots bool, limit int) (_ []Waiting, err error) {
	defer s.took("WaitingOf", time.Now(), &err)
	return s.d.WaitingOf(ctx, ep, key, in, slots, limit)
}

func (s measured) WaitingUpTo(ctx context.Context, ep Endpoint, upTo time.Time, after *Cursor, limit int) (_ []Waiting, err error) {
	defer s.took("WaitingUpTo", time.Now(), &err)
	return s.d.WaitingUpTo(ctx, ep, upTo, after, limit)
}

func (s measured) CountWaiting(ctx context.Context, ep Endpoint, limit int) (_ int, err error) {
	defer s.took("CountWaiting", time.Now(), &err)
	return s.d.CountWaiting(ctx, ep, limit)
}

func (s measured) DiscardWaiting(ctx context.Context, ep Endpoint, ws []Waiting) (_ int, err error) {
	defer s.took("DiscardWaiting", time.Now(), &err)
	return s.d.DiscardWaiting(ctx, ep, ws)
}

func (s measured) EventsBetween(ctx context.Context, service string, in Span, after *Cursor, limit int) (_ []Stored, err error) {
	defer s.took("EventsBetween", time.Now(), &err)
	return s.d.EventsBetween(ctx, service, in, after, limit)
}

func (s measured) Gather(ctx context.Context, c Claim, p Part) (err error) {
	defer s.took("Gather", time.Now(), &err)
	return s.d.Gather(ctx, c, p)
}

func (s measured) Members(ctx context.Context, service, id string, part int) (_ [][]Member, err error) {
	defer s.took("Members", time.Now(), &err)
	return s.d.Members(ctx, service, id, part)
}

func (s measured) ClaimByID(ctx context.Context, service, id string) (_ Claim, err error) {
	defer s.took("ClaimByID", time.Now(), &err)
	return s.d.ClaimByID(ctx, service, id)
}

func (s measured) Gatherings(ctx context.Context, service string, limit int) (_ []ClaimInfo, err error) {
	defer s.took("Gatherings", time.Now(), &err)
	return s.d.Gatherings(ctx, service, limit)
}

func (s measured) Get(ctx context.Context, collection Collection, ids []string) (_ []*Doc, err error) {
	defer s.took("Get", time.Now(), &err)
	return s.d.Get(ctx, collection, ids)
}

func (s measured) Commit(ctx context.Context, writes []Write) (_ []string, err error) {
	defer s.took("Commit", time.Now(), &err)
	return s.d.Commit(ctx, writes)
}

func (s measured) List(ctx context.Context, l Listing) (_ []Doc, err error) {
	defer s.took("List", time.Now(), &err)
	return s.d.List(ctx, l)
}

func (s measured) CountDocs(ctx context.Context, collection Collection, limit int) (_ int, err error) {
	defer s.took("CountDocs", time.Now(), &err)
	return s.d.CountDocs(ctx, collection, limit)
}

func (s measured) Limits() Limits { return s.d.Limits() }

// WaitingOfMany implements [ManyWindows].
func (s measuredMany) WaitingOfMany(ctx context.Context, looks []Look) (_ [][]Waiting, err error) {
	defer s.took("WaitingOfMany", time.Now(), &err)
	return s.many.WaitingOfMany(ctx, looks)
}
