package gate_test

import (
	"context"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/store"
)

// tallyStore counts the calls of each method.
type tallyStore struct {
	store.Store
	mu sync.Mutex
	n  map[string]int
}

func (s *tallyStore) count(what string) { s.mu.Lock(); s.n[what]++; s.mu.Unlock() }

func (s *tallyStore) Append(ctx context.Context, events []store.Append) []store.AppendResult {
	s.count("append")
	return s.Store.Append(ctx, events)
}

func (s *tallyStore) Pending(ctx context.Context, ep store.Endpoint, after time.Time, limit int) ([]store.Pointer, error) {
	s.count("pending")
	return s.Store.Pending(ctx, ep, after, limit)
}

func (s *tallyStore) WaitingUpTo(ctx context.Context, ep store.Endpoint, upTo time.Time, after *store.Cursor, limit int) ([]store.Waiting, error) {
	s.count("waiting")
	return s.Store.WaitingUpTo(ctx, ep, upTo, after, limit)
}

func (s *tallyStore) Due(ctx context.Context, service string, now, beyond time.Time, limit int) ([]store.ClaimInfo, error) {
	s.count("due")
	return s.Store.Due(ctx, service, now, beyond, limit)
}

func (s *tallyStore) Backlog(ctx context.Context, service string) (int, time.Time, error) {
	s.count("backlog")
	return s.Store.Backlog(ctx, service)
}

func (s *tallyStore) ClaimByEventID(ctx context.Context, service, id string) (store.Claim, error) {
	s.count("claim by id")
	return s.Store.ClaimByEventID(ctx, service, id)
}

func (s *tallyStore) Claim(ctx context.Context, c store.Claim, taken []store.Taken) error {
	s.count("claim")
	return s.Store.Claim(ctx, c, taken)
}

func (s *tallyStore) Settle(ctx context.Context, service, id string, o store.Outcome) error {
	s.count("settle")
	return s.Store.Settle(ctx, service, id, o)
}

func (s *tallyStore) Lease(ctx context.Context, service, id string, attempts int, until time.Time) error {
	s.count("lease")
	return s.Store.Lease(ctx, service, id, attempts, until)
}

func (s *tallyStore) Claims(ctx context.Context, service string, page store.Page) ([]store.ClaimInfo, error) {
	s.count("claims")
	return s.Store.Claims(ctx, service, page)
}

func (s *tallyStore) Keep(ctx context.Context, service string, ms []store.Member, until time.Time) error {
	s.count("keep")
	return s.Store.Keep(ctx, service, ms, until)
}

func (s *tallyStore) Now(ctx context.Context) (time.Time, bool, error) {
	s.count("now")
	return s.Store.Now(ctx)
}

// An event costs one commit and one query. Comparing the clock and looking for waiting
// claims cost a fixed amount per time, and nothing per event.
func TestWhatAnEventCosts(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		tally := &tallyStore{Store: w.store.Store, n: map[string]int{}}
		w.store.Store = tally
		i := w.instance(0)
		i.send("b", "")
		i.send("a", "") // completes the window; from now on "b" is missing
		w.ran += time.Minute
		i.send("a", "")
		before := maps.Clone(tally.n)
		const events = 100
		for range events {
			w.ran += 40 * time.Millisecond
			i.send("a", "")
		}
		require.NoError(w, i.Close(context.Background())) // waits for Help, which runs beside a request
		for what, n := range before {
			tally.n[what] -= n
		}
		maps.DeleteFunc(tally.n, func(_ string, n int) bool { return n == 0 })
		require.Equal(w, map[string]int{"append": events, "pending": events}, tally.n, "for four seconds")

		i.restart()
		for range events {
			w.ran += time.Second
			i.send("a", "")
		}
		require.NoError(w, i.Close(context.Background()))
		require.LessOrEqual(w, tally.n["due"], events/5)
		require.LessOrEqual(w, tally.n["backlog"], 1)
		require.LessOrEqual(w, tally.n["now"], 1)
		require.Equal(w, 2*events, tally.n["append"])
	})
}

// Two endpoints in turn: the first event of a pair asks only about the other endpoint, and the
// second one reads each endpoint once.
func TestWhatAPairCosts(t *testing.T) {
	t.Parallel()
	const pairs = 20
	for name, other := range map[string]bool{"one process": false, "another process stores the first event": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onBoth(t, func(w *world) {
				tally := &tallyStore{Store: w.store.Store, n: map[string]int{}}
				w.store.Store = tally
				first := w.instance(0)
				second := first
				if other {
					second = w.instance(1)
				}
				pair := func() {
					first.send("a", "")
					second.send("b", "")
				}
				pair()
				pair()
				before := maps.Clone(tally.n)
				for range pairs {
					pair()
				}
				require.NoError(w, first.Close(context.Background()))
				require.NoError(w, second.Close(context.Background()))
				require.Equal(w, pairs, tally.n["claim"]-before["claim"])
				require.LessOrEqual(w, tally.n["pending"]-before["pending"], 3*pairs)
			})
		})
	}
}
