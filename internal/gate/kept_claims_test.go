package gate_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/store"
)

// listedStore counts the claims that are listed.
type listedStore struct {
	store.Store
	mu     sync.Mutex
	listed int
}

func (s *listedStore) Claims(ctx context.Context, service string, page store.Page) ([]store.ClaimInfo, error) {
	infos, err := s.Store.Claims(ctx, service, page)
	s.mu.Lock()
	s.listed += len(infos)
	s.mu.Unlock()
	return infos, err
}

// Whether a kept event was in a message costs a claim or so of its key, however many claims
// the service has.
func TestKeptEventsOfAKeyCostOneClaim(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.configured(`"observationPeriod":600,"keepEventAfterTrigger":true`, twoEndpoints, byOrder)
		listed := &listedStore{Store: w.store.Store}
		w.store.Store = listed
		i := w.instance(0)
		w.hourly(2, i)
		const keys = 30
		for n := range keys {
			i.post("a", order(n))
			if n%3 > 0 { // every third is never complete
				require.NotEmpty(w, i.post("b", order(n)).Triggered)
			}
		}
		w.ran += period + 2*time.Minute
		listed.listed = 0
		s, err := i.Sweep(context.Background())
		require.NoError(w, err)
		require.Equal(w, keys/3, s.Expired)
		require.Zero(w, w.pointers())
		require.LessOrEqual(w, listed.listed, 2*keys)
	})
}

// An event may be older than a message that later ones are in, and a message may have only
// the first of them.
func TestKeptEventsBetweenMessages(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.configured(`"observationPeriod":600,"keepEventAfterTrigger":true`, twoEndpoints, byOrder)
		i := w.instance(0)
		w.hourly(2, i)
		i.post("a", order(1)) // never in a message
		w.ran += 11 * time.Minute
		i.post("a", order(1))
		w.ran += time.Minute
		require.NotEmpty(w, i.post("b", order(1)).Triggered)
		w.ran += 11 * time.Minute
		i.post("a", order(1)) // never in a message
		w.ran += 11 * time.Minute
		i.post("b", order(1)) // never in a message
		w.ran += 12 * time.Minute
		s, err := i.Sweep(context.Background())
		require.NoError(w, err)
		require.Equal(w, 3, s.Expired)
		require.Zero(w, w.pointers())
	})
}
