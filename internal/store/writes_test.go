package store_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/store"
)

var errFull = errors.New("the disk is full")

// prober counts the writes that Writable makes.
type prober struct {
	n   int
	err error
}

func (p *prober) write(context.Context) error { p.n++; return p.err }

func TestSuccessfulWritesMakeAProbeUnnecessary(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := store.Writes{Fresh: 10 * time.Second, Retry: time.Second}
		var p prober
		require.NoError(t, w.Writable(t.Context(), p.write))
		require.Equal(t, 1, p.n, "nothing was written yet")
		for range 100 {
			time.Sleep(2 * time.Second)
			w.Ended(nil)
			require.NoError(t, w.Writable(t.Context(), p.write))
		}
		require.Equal(t, 1, p.n)
		time.Sleep(10 * time.Second)
		require.NoError(t, w.Writable(t.Context(), p.write))
		require.Equal(t, 2, p.n, "the last success is too old")
	})
}

func TestAFailedWriteIsRetriedAtIntervals(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := store.Writes{Fresh: 10 * time.Second, Retry: 5 * time.Second}
		p := prober{err: errFull}
		w.Ended(nil)
		w.Ended(errFull)
		for range 10 { // like a readiness probe every two seconds
			require.ErrorIs(t, w.Writable(t.Context(), p.write), errFull)
			time.Sleep(2 * time.Second)
		}
		require.Equal(t, 4, p.n, "one try in five seconds")
		p.err = nil
		time.Sleep(5 * time.Second)
		require.NoError(t, w.Writable(t.Context(), p.write))
	})
}

func TestACallerThatLeavesDoesNotEndTheTry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := store.Writes{Fresh: 10 * time.Second, Retry: 5 * time.Second}
		ctx, cancel := context.WithCancel(t.Context())
		require.NoError(t, w.Writable(ctx, func(ctx context.Context) error { cancel(); return ctx.Err() }))
		var p prober
		require.ErrorIs(t, w.Writable(ctx, p.write), context.Canceled)
		require.NoError(t, w.Writable(t.Context(), p.write))
		require.Zero(t, p.n)
	})
}

func TestATryThatDoesNotEndIsAFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := store.Writes{Fresh: 10 * time.Second, Retry: 5 * time.Second}
		hangs := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		require.ErrorIs(t, w.Writable(t.Context(), hangs), context.DeadlineExceeded)
	})
}

func TestProbesAtTheSameTimeShareOneWrite(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := store.Writes{Fresh: 10 * time.Second, Retry: 5 * time.Second}
		n := 0
		slow := func(context.Context) error { n++; time.Sleep(time.Second); return errFull }
		answers := make(chan error, 20)
		for range cap(answers) {
			go func() { answers <- w.Writable(t.Context(), slow) }()
		}
		for range cap(answers) {
			require.ErrorIs(t, <-answers, errFull)
		}
		require.Equal(t, 1, n)
	})
}

func TestAPanicOfATryBlocksNoLaterCaller(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := store.Writes{Fresh: 10 * time.Second, Retry: 5 * time.Second}
		require.Panics(t, func() { _ = w.Writable(t.Context(), func(context.Context) error { panic("oh") }) })
		var p prober
		require.ErrorContains(t, w.Writable(t.Context(), p.write), "did not return")
		time.Sleep(5 * time.Second)
		require.NoError(t, w.Writable(t.Context(), p.write))
	})
}

func TestWritesAreMeasuredByTheGivenClock(t *testing.T) {
	t.Parallel()
	now := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	w := store.Writes{Fresh: 10 * time.Second, Retry: 5 * time.Second, Now: func() time.Time { return now }}
	p := prober{err: errFull}
	w.Ended(nil)
	now = now.Add(9 * time.Second)
	require.NoError(t, w.Writable(t.Context(), p.write), "fresh")
	now = now.Add(time.Second)
	require.ErrorIs(t, w.Writable(t.Context(), p.write), errFull)
	now = now.Add(4 * time.Second)
	require.ErrorIs(t, w.Writable(t.Context(), p.write), errFull)
	require.Equal(t, 1, p.n)
	now = now.Add(time.Second)
	p.err = nil
	require.NoError(t, w.Writable(t.Context(), p.write))
	require.Equal(t, 2, p.n)
}
