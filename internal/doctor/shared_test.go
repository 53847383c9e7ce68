package doctor

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// Callers at the same time share one examination. The next one makes another.
func TestExaminationsAreShared(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s Shared
		made := 0
		examine := func(context.Context) Report {
			made++
			time.Sleep(time.Second)
			return Report{Seconds: float64(made)}
		}
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				r, err := s.Examine(t.Context(), examine)
				require.NoError(t, err)
				require.InDelta(t, 1, r.Seconds, 0)
			})
		}
		all.Wait()
		require.Equal(t, 1, made)
		r, err := s.Examine(t.Context(), examine)
		require.NoError(t, err)
		require.InDelta(t, 2, r.Seconds, 0)
	})
}

// A caller who goes away takes nothing from the others: one of them examines instead.
func TestExaminationGoesOnWithoutItsCaller(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s Shared
		made := 0
		examine := func(ctx context.Context) Report {
			made++
			select {
			case <-ctx.Done():
				return Report{State: Error}
			case <-time.After(10 * time.Second):
				return Report{State: OK}
			}
		}
		first, leave := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() {
			_, err := s.Examine(first, examine)
			require.ErrorIs(t, err, context.Canceled)
		})
		synctest.Wait()
		impatient, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := s.Examine(impatient, examine)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		for range 2 {
			all.Go(func() {
				r, err := s.Examine(t.Context(), examine)
				require.NoError(t, err)
				require.Equal(t, OK, r.State)
			})
		}
		synctest.Wait()
		leave()
		all.Wait()
		require.Equal(t, 2, made)
	})
}
