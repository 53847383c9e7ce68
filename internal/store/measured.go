package store

import (
	"context"
	"errors"
	"time"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/meter"
	"github.com/headgate/headgate/internal/platform/trace"
)

// Driver is a driver as deployments use it.
type Driver interface {
	Store
	Docs
}

// Measured returns the driver with a measurement and a span of each operation, under the name
// of its system. It is the driver itself if both the meter and the tracer are nil. An operation
// has a span if it belongs to one that is recorded.
func Measured(d Driver, m *meter.Meter, t *trace.Tracer, system string) Driver {
	if m == nil && !t.On() {
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

// operation is an operation of the store that is under way.
type operation struct {
	meter        *meter.Meter
	system, name string
	began        time.Time
	span         trace.Span
}

// begin begins an operation. Without a recorded span in ctx, which it belongs to, it allocates
// nothing.
func (s measured) begin(ctx context.Context, name string) (context.Context, operation) {
	op := operation{s.meter, s.system, name, time.Now(), trace.Span{}}
	if trace.Current(ctx).On() {
		ctx, op.span = trace.Start(ctx, trace.Client, name)
		op.span.SetString("db.system.name", s.system)
		op.span.SetString("db.operation.name", name)
	}
	return ctx, op
}

// of names the kind of the documents' collections, and the number of documents. kind is "" for
// documents of several kinds, and for events. Scopes and ids are left out: they may be names of
// persons.
func (o *operation) of(kind string, n int) {
	o.span.SetString("db.collection.name", kind)
	if n > 1 { // one is no batch
		o.span.SetInt("db.operation.batch.size", n)
	}
}

// end ends an operation that ended with *err.
func (o *operation) end(err *error) {
	kind := errorType(*err)
	o.meter.Took(meter.StoreDuration, time.Since(o.began), o.system, o.name, kind)
	o.span.Fail(kind)
}

// kindOf returns the kind of the collections; "" if there are several.
func kindOf(writes []Write) (kind string) {
	for i, w := range writes {
		if i > 0 && w.Collection.Kind != kind {
			return ""
		}
		kind = w.Collection.Kind
	}
	return kind
}

// errorType returns the type of an error; "" for an answer of the store, which a conflict and
// an absence are, too.
func errorType(err error) string {
	if errors.Is(err, ErrConflict) || errors.Is(err, ErrNotFound) {
		return ""
	}
	return fault.TypeOf(err)
}

func (s measured) Append(ctx context.Context, events []Append) []AppendResult {
	ctx, op := s.begin(ctx, "Append")
	op.of("", len(events))
	results := s.d.Append(ctx, events)
	var err error // the first one: all of a commit fail together
	for _, r := range results {
		if err == nil {
			err = r.Err
		}
	}
	op.end(&err)
	return results
}

func (s measured) Pending(ctx context.Context, ep Endpoint, after time.Time, limit int) (_ []Pointer, err error) {
	ctx, op := s.begin(ctx, "Pending")
	defer op.end(&err)
	return s.d.Pending(ctx, ep, after, limit)
}

func (s measured) Count(ctx context.Context, ep Endpoint, after time.Time, limit int) (_ int, err error) {
	ctx, op := s.begin(ctx, "Count")
	defer op.end(&err)
	return s.d.Count(ctx, ep, after, limit)
}

func (s measured) Summarize(ctx context.Context, ep Endpoint, after time.Time) (_ Summary, err error) {
	ctx, op := s.begin(ctx, "Summarize")
	defer op.end(&err)
	return s.d.Summarize(ctx, ep, after)
}

func (s measured) Claim(ctx context.Context, c Claim, taken []Taken) (err error) {
	ctx, op := s.begin(ctx, "Claim")
	defer op.end(&err)
	return s.d.Claim(ctx, c, taken)
}

func (s measured) MaxClaim() int { return s.d.MaxClaim() }

func (s measured) Discard(ctx context.Context, ep Endpoint, ps []Pointer) (_ int, err error) {
	ctx, op := s.begin(ctx, "Discard")
	defer op.end(&err)
	return s.d.Discard(ctx, ep, ps)
}

func (s measured) Stale(ctx context.Context, ep Endpoint, upTo time.Time, limit int) (_ []Pointer, err error) {
	ctx, op := s.begin(ctx, "Stale")
	defer op.end(&err)
	return s.d.Stale(ctx, ep, upTo, limit)
}

func (s measured) Events(ctx context.Context, service string, members []Member) (_ []event.Event, err error) {
	ctx, op := s.begin(ctx, "Events")
	defer op.end(&err)
	return s.d.Events(ctx, service, members)
}

func (s measured) Due(ctx context.Context, service string, now, beyond time.Time, limit int) (_ []ClaimInfo, err error) {
	ctx, op := s.begin(ctx, "Due")
	defer op.end(&err)
	return s.d.Due(ctx, service, now, beyond, limit)
}

func (s measured) Lease(ctx context.Context, service, id string, attempts int, until time.Time) (err error) {
	ctx, op := s.begin(ctx, "Lease")
	defer op.end(&err)
	return s.d.Lease(ctx, service, id, attempts, until)
}

func (s measured) Settle(ctx context.Context, service, id string, o Outcome) (err error) {
	ctx, op := s.begin(ctx, "Settle")
	defer op.end(&err)
	return s.d.Settle(ctx, service, id, o)
}

func (s measured) ClaimByEventID(ctx context.Context, service, eventID string) (_ Claim, err error) {
	ctx, op := s.begin(ctx, "ClaimByEventID")
	defer op.end(&err)
	return s.d.ClaimByEventID(ctx, service, eventID)
}

func (s measured) Claims(ctx context.Context, service string, page Page) (_ []ClaimInfo, err error) {
	ctx, op := s.begin(ctx, "Claims")
	defer op.end(&err)
	return s.d.Claims(ctx, service, page)
}

func (s measured) Backlog(ctx context.Context, service string) (n int, oldest time.Time, err error) {
	ctx, op := s.begin(ctx, "Backlog")
	defer op.end(&err)
	return s.d.Backlog(ctx, service)
}

func (s measured) Purge(ctx context.Context, now time.Time, limit int) (_ int, err error) {
	ctx, op := s.begin(ctx, "Purge")
	defer op.end(&err)
	return s.d.Purge(ctx, now, limit)
}

func (s measured) Keep(ctx context.Context, service string, members []Member, until time.Time) (err error) {
	ctx, op := s.begin(ctx, "Keep")
	defer op.end(&err)
	return s.d.Keep(ctx, service, members, until)
}

func (s measured) Now(ctx context.Context) (now time.Time, ok bool, err error) {
	ctx, op := s.begin(ctx, "Now")
	defer op.end(&err)
	return s.d.Now(ctx)
}

func (s measured) Writable(ctx context.Context) (err error) {
	ctx, op := s.begin(ctx, "Writable")
	defer op.end(&err)
	return s.d.Writable(ctx)
}

func (s measured) Close() error { return s.d.Close() }

func (s measured) WaitingOf(ctx context.Context, ep Endpoint, key string, in Span, slots bool, limit int) (_ []Waiting, err error) {
	ctx, op := s.begin(ctx, "WaitingOf")
	defer op.end(&err)
	return s.d.WaitingOf(ctx, ep, key, in, slots, limit)
}

func (s measured) WaitingUpTo(ctx context.Context, ep Endpoint, upTo time.Time, after *Cursor, limit int) (_ []Waiting, err error) {
	ctx, op := s.begin(ctx, "WaitingUpTo")
	defer op.end(&err)
	return s.d.WaitingUpTo(ctx, ep, upTo, after, limit)
}

func (s measured) CountWaiting(ctx context.Context, ep Endpoint, limit int) (_ int, err error) {
	ctx, op := s.begin(ctx, "CountWaiting")
	defer op.end(&err)
	return s.d.CountWaiting(ctx, ep, limit)
}

func (s measured) DiscardWaiting(ctx context.Context, ep Endpoint, ws []Waiting) (_ int, err error) {
	ctx, op := s.begin(ctx, "DiscardWaiting")
	defer op.end(&err)
	return s.d.DiscardWaiting(ctx, ep, ws)
}

func (s measured) EventsBetween(ctx context.Context, service string, in Span, after *Cursor, limit int) (_ []Stored, err error) {
	ctx, op := s.begin(ctx, "EventsBetween")
	defer op.end(&err)
	return s.d.EventsBetween(ctx, service, in, after, limit)
}

func (s measured) Gather(ctx context.Context, c Claim, p Part) (err error) {
	ctx, op := s.begin(ctx, "Gather")
	defer op.end(&err)
	return s.d.Gather(ctx, c, p)
}

func (s measured) Members(ctx context.Context, service, id string, part int) (_ [][]Member, err error) {
	ctx, op := s.begin(ctx, "Members")
	defer op.end(&err)
	return s.d.Members(ctx, service, id, part)
}

func (s measured) ClaimByID(ctx context.Context, service, id string) (_ Claim, err error) {
	ctx, op := s.begin(ctx, "ClaimByID")
	defer op.end(&err)
	return s.d.ClaimByID(ctx, service, id)
}

func (s measured) Gatherings(ctx context.Context, service string, limit int) (_ []ClaimInfo, err error) {
	ctx, op := s.begin(ctx, "Gatherings")
	defer op.end(&err)
	return s.d.Gatherings(ctx, service, limit)
}

func (s measured) Get(ctx context.Context, collection Collection, ids []string) (_ []*Doc, err error) {
	ctx, op := s.begin(ctx, "Get")
	op.of(collection.Kind, len(ids))
	defer op.end(&err)
	return s.d.Get(ctx, collection, ids)
}

func (s measured) Commit(ctx context.Context, writes []Write) (_ []string, err error) {
	ctx, op := s.begin(ctx, "Commit")
	op.of(kindOf(writes), len(writes))
	defer op.end(&err)
	return s.d.Commit(ctx, writes)
}

func (s measured) List(ctx context.Context, l Listing) (_ []Doc, err error) {
	ctx, op := s.begin(ctx, "List")
	op.of(l.Collection.Kind, 0)
	defer op.end(&err)
	return s.d.List(ctx, l)
}

func (s measured) CountDocs(ctx context.Context, collection Collection, limit int) (_ int, err error) {
	ctx, op := s.begin(ctx, "CountDocs")
	op.of(collection.Kind, 0)
	defer op.end(&err)
	return s.d.CountDocs(ctx, collection, limit)
}

func (s measured) Limits() Limits { return s.d.Limits() }

// WaitingOfMany implements [ManyWindows].
func (s measuredMany) WaitingOfMany(ctx context.Context, looks []Look) (_ [][]Waiting, err error) {
	ctx, op := s.begin(ctx, "WaitingOfMany")
	defer op.end(&err)
	return s.many.WaitingOfMany(ctx, looks)
}
