package flow

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// Requests during a run cause one more run, however many they are.
func TestRerunsOnceMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newReruns[string]()
		defer r.close()
		began, goOn := 0, make(chan struct{})
		work := func(context.Context) { began++; <-goOn }
		r.spawn("a", work)
		synctest.Wait()
		require.Equal(t, 1, began)
		for range 100 {
			r.spawn("a", work)
			r.do("a", work) // it does not wait for the run
		}
		synctest.Wait()
		require.Equal(t, 1, began, "one run at a time")
		goOn <- struct{}{}
		synctest.Wait()
		require.Equal(t, 2, began)
		goOn <- struct{}{}
		synctest.Wait()
		require.Equal(t, 2, began)
		require.Empty(t, r.runs, "a key without a run takes no memory")

		r.spawn("a", work)
		synctest.Wait()
		require.Equal(t, 3, began, "the next request begins a run")
		goOn <- struct{}{}
	})
}

func TestRerunsOfOtherKeysGoOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newReruns[string]()
		hang := make(chan struct{})
		r.spawn("a", func(context.Context) { <-hang })
		ran := false
		r.do("b", func(context.Context) { ran = true })
		require.True(t, ran, "do returns when its run ended")
		close(hang)
		r.close()
	})
}

// close cancels the run under way, drops the run that was to follow, and waits.
func TestRerunsClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newReruns[string]()
		began, ended := 0, 0
		work := func(ctx context.Context) { began++; <-ctx.Done(); ended++ }
		r.spawn("a", work)
		synctest.Wait()
		r.spawn("a", work)
		r.close()
		require.Equal(t, 1, ended)
		r.spawn("a", work)
		r.do("b", work)
		synctest.Wait()
		require.Equal(t, 1, began)
		r.close() // again
	})
}
