package gate_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/store"
)

// scanningStore counts the looks for what is due in all keys.
type scanningStore struct {
	store.Store
	mu    sync.Mutex
	scans int
}

func (s *scanningStore) WaitingUpTo(ctx context.Context, ep store.Endpoint, upTo time.Time, after *store.Cursor, limit int) ([]store.Waiting, error) {
	s.mu.Lock()
	s.scans++
	s.mu.Unlock()
	return s.Store.WaitingUpTo(ctx, ep, upTo, after, limit)
}

// A service without a scheduler publishes everything: any request closes the windows of all
// keys whose time has run out, and publishes what could not be published before.
func TestAnyRequestClosesWhatIsDue(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.configured(`"window":"anchored","observationPeriod":600,"onClose":"partial"`, twoEndpoints, byOrder)
		i := w.instance(0)
		i.post("a", order(1))
		i.post("b", order(2))
		w.ran += 5 * time.Minute
		i.post("a", order(3))
		w.ran += 5 * time.Minute
		i.Help()()
		require.ElementsMatch(w, []string{"1 partial a1 b0 -b", "2 partial a0 b1 -a"}, w.published(), "the window of 3 is open")

		w.bus.set(true)
		w.ran += 5 * time.Minute
		i.Help()()
		require.Len(w, w.published(), 2, "the window of 3 closed while the bus was down")
		w.bus.set(false)
		w.ran += time.Minute
		i.Help()()
		require.Equal(w, "3 partial a1 b0 -b", w.published()[2], "its retry was due")
		w.ran += time.Hour
		i.Help()()
		require.Len(w, w.published(), 3, "each once")
	})
}

// The look costs a query per endpoint, and each instance makes it every five seconds at most.
func TestRequestsLookForWhatIsDueEveryFiveSeconds(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.configured(`"window":"tumbling","every":60,"onClose":"partial"`, twoEndpoints, byOrder)
		scanning := &scanningStore{Store: w.store.Store}
		w.store.Store = scanning
		i, j := w.instance(0), w.instance(0)
		for n := range 20 {
			i.post("a", order(n))
		}
		for range 50 {
			i.Help()()
		}
		require.Equal(w, 2, scanning.scans, "one for each endpoint")
		w.ran += 2 * time.Minute
		for range 50 {
			i.Help()()
			j.Help()()
		}
		require.Equal(w, 6, scanning.scans, "one of each instance")
		require.Len(w, w.published(), 20)
	})
}
