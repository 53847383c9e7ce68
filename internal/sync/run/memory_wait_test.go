package run_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/budget"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

// A run waits for memory only once in a process, however often dead runs are looked for
// meanwhile.
func TestARunWaitsForMemoryOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.source.put("a", map[string]any{"name": "n"})
	memory := budget.New(1 << 20)
	require.True(t, memory.Try(memory.Total()))
	svc := w.serviceWith(w.store, func(o *syncrun.Options) { o.Memory = memory })
	run, err := svc.Start(t.Context(), "s", syncrun.Start{Method: syncrun.DoPull})
	require.NoError(t, err)
	takenOver := func() int {
		w.wait(10 * time.Second)
		_, n, err := svc.Due(t.Context())
		require.NoError(t, err)
		return n
	}
	require.Eventually(t, func() bool { return takenOver() == 0 }, time.Minute, time.Millisecond, "the run waits")
	for range 50 {
		require.Zero(t, takenOver())
	}
	// Further calls return at once, for example those of messages that arrive twice.
	for range 10 {
		require.NoError(t, svc.Work(t.Context(), "s", run.ID))
	}
	run, err = svc.Run(t.Context(), "s", run.ID)
	require.NoError(t, err)
	require.Equal(t, syncrun.Pending, run.State)
	memory.Give(memory.Total())
	run, err = svc.Wait(context.Background(), "s", run.ID, nil)
	require.NoError(t, err)
	require.Equal(t, syncrun.Finished, run.State)
	require.Equal(t, 1, run.Invocations)
}

// If messages hand runs on, a run that waits gets no further message.
func TestAWaitingRunIsDispatchedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	memory := budget.New(1 << 20)
	require.True(t, memory.Try(memory.Total()))
	var dispatched atomic.Int64
	var lost atomic.Bool // the messages are lost
	working := make(chan error, 1000)
	var svc *syncrun.Service
	svc = w.serviceWith(w.store, func(o *syncrun.Options) {
		o.Memory = memory
		o.Dispatch = func(_ context.Context, syncID, runID string) error {
			dispatched.Add(1)
			if lost.Load() {
				return nil
			}
			go func() { working <- svc.Work(context.Background(), syncID, runID) }()
			return nil
		}
	})
	run, err := svc.Start(t.Context(), "s", syncrun.Start{Method: syncrun.DoPull})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		n, err := svc.TakeOver(t.Context())
		require.NoError(t, err)
		return n == 0
	}, time.Minute, time.Millisecond)
	sent := dispatched.Load()
	for range 50 {
		_, n, err := svc.Due(t.Context())
		require.NoError(t, err)
		require.Zero(t, n)
	}
	require.Equal(t, sent, dispatched.Load())
	memory.Give(memory.Total())
	for range sent {
		require.NoError(t, <-working)
	}
	run, err = svc.Run(t.Context(), "s", run.ID)
	require.NoError(t, err)
	require.Equal(t, syncrun.Finished, run.State)

	// A call that gives up leaves the run to the next one.
	lost.Store(true)
	run, err = svc.Start(t.Context(), "s", syncrun.Start{Method: syncrun.DoPull})
	require.NoError(t, err)
	require.True(t, memory.Try(memory.Total()))
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, svc.Work(gone, "s", run.ID), context.Canceled)
	memory.Give(memory.Total())
	require.NoError(t, svc.Work(t.Context(), "s", run.ID))
	run, err = svc.Run(t.Context(), "s", run.ID)
	require.NoError(t, err)
	require.Equal(t, syncrun.Finished, run.State)
}
