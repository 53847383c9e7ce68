package sqlitestore

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/store"
)

// twoStores calls its two stores in turn.
type twoStores [2]*Store

var turn atomic.Uint64

func (b *twoStores) next() *Store { return b[turn.Add(1)%2] }

func (b *twoStores) Append(ctx context.Context, events []store.Append) []store.AppendResult {
	return b.next().Append(ctx, events)
}

func (b *twoStores) Pending(ctx context.Context, ep store.Endpoint, after time.Time, limit int) ([]store.Pointer, error) {
	return b.next().Pending(ctx, ep, after, limit)
}

func (b *twoStores) Count(ctx context.Context, ep store.Endpoint, after time.Time, limit int) (int, error) {
	return b.next().Count(ctx, ep, after, limit)
}

func (b *twoStores) Summarize(ctx context.Context, ep store.Endpoint, after time.Time) (store.Summary, error) {
	return b.next().Summarize(ctx, ep, after)
}

func (b *twoStores) Claim(ctx context.Context, c store.Claim, taken []store.Taken) error {
	return b.next().Claim(ctx, c, taken)
}

func (b *twoStores) MaxClaim() int { return claimLimit }

func (b *twoStores) Discard(ctx context.Context, ep store.Endpoint, ps []store.Pointer) (int, error) {
	return b.next().Discard(ctx, ep, ps)
}

func (b *twoStores) Stale(ctx context.Context, ep store.Endpoint, upTo time.Time, limit int) ([]store.Pointer, error) {
	return b.next().Stale(ctx, ep, upTo, limit)
}

func (b *twoStores) Events(ctx context.Context, service string, members []store.Member) ([]event.Event, error) {
	return b.next().Events(ctx, service, members)
}

func (b *twoStores) EventsBetween(ctx context.Context, service string, in store.Span, after *store.Cursor, limit int) ([]store.Stored, error) {
	return b.next().EventsBetween(ctx, service, in, after, limit)
}

func (b *twoStores) Keep(ctx context.Context, service string, ms []store.Member, until time.Time) error {
	return b.next().Keep(ctx, service, ms, until)
}
func (b *twoStores) Now(ctx context.Context) (time.Time, bool, error) { return b.next().Now(ctx) }
func (b *twoStores) Due(ctx context.Context, service string, now, beyond time.Time, limit int) ([]store.ClaimInfo, error) {
	return b.next().Due(ctx, service, now, beyond, limit)
}

func (b *twoStores) Lease(ctx context.Context, service, id string, attempts int, until time.Time) error {
	return b.next().Lease(ctx, service, id, attempts, until)
}

func (b *twoStores) Settle(ctx context.Context, service, id string, o store.Outcome) error {
	return b.next().Settle(ctx, service, id, o)
}

func (b *twoStores) ClaimByEventID(ctx context.Context, service, eventID string) (store.Claim, error) {
	return b.next().ClaimByEventID(ctx, service, eventID)
}

func (b *twoStores) Claims(ctx context.Context, service string, page store.Page) ([]store.ClaimInfo, error) {
	return b.next().Claims(ctx, service, page)
}

func (b *twoStores) Backlog(ctx context.Context, service string) (int, time.Time, error) {
	return b.next().Backlog(ctx, service)
}

func (b *twoStores) Purge(ctx context.Context, now time.Time, limit int) (int, error) {
	return b.next().Purge(ctx, now, limit)
}

func (b *twoStores) Writable(ctx context.Context) error { return b.next().Writable(ctx) }

func (b *twoStores) Close() error { return nil } // openAt closes each store

func (b *twoStores) WaitingOf(ctx context.Context, ep store.Endpoint, key string, in store.Span, slots bool, limit int) ([]store.Waiting, error) {
	return b.next().WaitingOf(ctx, ep, key, in, slots, limit)
}

func (b *twoStores) WaitingUpTo(ctx context.Context, ep store.Endpoint, upTo time.Time, after *store.Cursor, limit int) ([]store.Waiting, error) {
	return b.next().WaitingUpTo(ctx, ep, upTo, after, limit)
}

func (b *twoStores) CountWaiting(ctx context.Context, ep store.Endpoint, limit int) (int, error) {
	return b.next().CountWaiting(ctx, ep, limit)
}

func (b *twoStores) DiscardWaiting(ctx context.Context, ep store.Endpoint, ws []store.Waiting) (int, error) {
	return b.next().DiscardWaiting(ctx, ep, ws)
}

func (b *twoStores) Gather(ctx context.Context, c store.Claim, p store.Part) error {
	return b.next().Gather(ctx, c, p)
}

func (b *twoStores) Members(ctx context.Context, service, id string, part int) ([][]store.Member, error) {
	return b.next().Members(ctx, service, id, part)
}

func (b *twoStores) ClaimByID(ctx context.Context, service, id string) (store.Claim, error) {
	return b.next().ClaimByID(ctx, service, id)
}

func (b *twoStores) Gatherings(ctx context.Context, service string, limit int) ([]store.ClaimInfo, error) {
	return b.next().Gatherings(ctx, service, limit)
}
