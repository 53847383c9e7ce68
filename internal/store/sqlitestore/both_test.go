package sqlitestore

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/store"
)

// both sends every call to the next of its stores in turn.
type both [2]*Store

var turn atomic.Uint64

func (b *both) next() *Store { return b[turn.Add(1)%2] }

func (b *both) Append(ctx context.Context, events []store.Append) []store.AppendResult {
	return b.next().Append(ctx, events)
}

func (b *both) Pending(ctx context.Context, ep store.Endpoint, after time.Time, limit int) ([]store.Pointer, error) {
	return b.next().Pending(ctx, ep, after, limit)
}

func (b *both) Count(ctx context.Context, ep store.Endpoint, after time.Time, limit int) (int, error) {
	return b.next().Count(ctx, ep, after, limit)
}

func (b *both) Summarize(ctx context.Context, ep store.Endpoint, after time.Time) (store.Summary, error) {
	return b.next().Summarize(ctx, ep, after)
}

func (b *both) Claim(ctx context.Context, c store.Claim, taken []store.Taken) error {
	return b.next().Claim(ctx, c, taken)
}

func (b *both) MaxClaim() int { return maxClaim }

func (b *both) Discard(ctx context.Context, ep store.Endpoint, ps []store.Pointer) (int, error) {
	return b.next().Discard(ctx, ep, ps)
}

func (b *both) Stale(ctx context.Context, ep store.Endpoint, upTo time.Time, limit int) ([]store.Pointer, error) {
	return b.next().Stale(ctx, ep, upTo, limit)
}

func (b *both) Events(ctx context.Context, service string, members []store.Member) ([]event.Event, error) {
	return b.next().Events(ctx, service, members)
}

func (b *both) Keep(ctx context.Context, service string, ms []store.Member, until time.Time) error {
	return b.next().Keep(ctx, service, ms, until)
}
func (b *both) Now(ctx context.Context) (time.Time, bool, error) { return b.next().Now(ctx) }
func (b *both) Due(ctx context.Context, service string, now, beyond time.Time, limit int) ([]store.ClaimInfo, error) {
	return b.next().Due(ctx, service, now, beyond, limit)
}

func (b *both) Lease(ctx context.Context, service, id string, attempts int, until time.Time) error {
	return b.next().Lease(ctx, service, id, attempts, until)
}

func (b *both) Settle(ctx context.Context, service, id string, o store.Outcome) error {
	return b.next().Settle(ctx, service, id, o)
}

func (b *both) ClaimByEventID(ctx context.Context, service, eventID string) (store.Claim, error) {
	return b.next().ClaimByEventID(ctx, service, eventID)
}

func (b *both) Claims(ctx context.Context, service string, page store.Page) ([]store.ClaimInfo, error) {
	return b.next().Claims(ctx, service, page)
}

func (b *both) Backlog(ctx context.Context, service string) (int, time.Time, error) {
	return b.next().Backlog(ctx, service)
}

func (b *both) Purge(ctx context.Context, now time.Time, limit int) (int, error) {
	return b.next().Purge(ctx, now, limit)
}

func (b *both) Writable(ctx context.Context) error { return b.next().Writable(ctx) }

func (b *both) Close() error { return nil } // each is closed by who opened it
