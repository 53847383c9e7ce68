package run_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/sync/definition"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

func TestWhatIsDueStartsOnceHoweverManyAsk(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *definition.Sync) { s.Frequency = "hourly" })
	services := []*syncrun.Service{w.svc, w.service(), w.service()}
	w.wait(3 * time.Hour) // nobody asked at two due times: one run makes up for both
	var started atomic.Int64
	var all sync.WaitGroup
	for i := range 12 {
		all.Go(func() {
			runs, _, err := services[i%3].Due(context.Background())
			require.NoError(t, err)
			started.Add(int64(len(runs)))
		})
	}
	all.Wait()
	runs, err := w.svc.Runs(t.Context(), "s", 100)
	require.NoError(t, err)
	require.Len(t, runs, 1)
	require.Positive(t, started.Load())
	_, err = w.svc.Wait(context.Background(), "s", runs[0].ID, nil)
	require.NoError(t, err)
	w.wait(time.Hour)
	again, _, err := w.svc.Due(t.Context())
	require.NoError(t, err)
	require.Len(t, again, 1, "the run of the next hour")
}
