package gate_test

import (
	"context"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/platform/fault"
)

// A handler that outlives the server begins no new work, because the store may be closed
// by then.
func TestNothingBeginsAfterClose(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		tally := &tallyStore{Store: w.store.Store, n: map[string]int{}}
		w.store.Store = tally
		ctx := context.Background()
		i := w.instance(0)
		id := i.claimed()
		w.ran += time.Minute
		require.NoError(w, i.Close(ctx))
		before := maps.Clone(tally.n)
		i.Help()()
		for what, begin := range map[string]func() error{
			"ingest": func() error { _, err := i.Ingest(ctx, gate.Incoming{EventKey: "a"}); return err },
			"check":  func() error { _, err := i.Check(ctx, nil); return err },
			"sweep":  func() error { _, err := i.Sweep(ctx); return err },
			"replay": func() error { _, err := i.Replay(ctx, id, ""); return err },
		} {
			require.Equal(w, fault.Unavailable, fault.CodeOf(begin()), what)
		}
		require.NoError(w, i.Close(ctx))
		require.Equal(w, before, tally.n)
	})
}

// Requests may arrive while the gate closes. After Close returns, none of them touches the
// store.
func TestRequestsWhileClosing(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		tally := &tallyStore{Store: w.store.Store, n: map[string]int{}}
		w.store.Store = tally
		i := w.instance(0)
		var began, left sync.WaitGroup
		for k := range 16 {
			began.Add(1)
			left.Go(func() {
				for n := 0; ; n++ {
					ctx, cancel := context.WithCancel(context.Background())
					if (n+k)%4 == 3 {
						cancel() // the caller leaves, but the work continues
					}
					_, err := i.Ingest(ctx, gate.Incoming{EventKey: []string{"a", "b"}[k%2], Meta: event.Meta{Method: "POST"}})
					cancel()
					if n == 0 {
						began.Done()
					}
					if i.Closing() && err != nil {
						return
					}
				}
			})
		}
		began.Wait()
		require.NoError(w, i.Close(context.Background()))
		tally.mu.Lock()
		before := maps.Clone(tally.n)
		tally.mu.Unlock()
		left.Wait()
		require.NoError(w, i.Close(context.Background()))
		require.Equal(w, before, tally.n)
	})
}
