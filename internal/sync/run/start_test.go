package run_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/definition"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

func TestOneTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *definition.Sync) { s.IsOneTime = true; s.Type = definition.Pull })
	w.source.put("a", map[string]any{"name": "n"})
	w.finished(syncrun.Start{})
	_, err := w.svc.Start(t.Context(), "s", syncrun.Start{})
	require.Equal(t, fault.Conflict, fault.CodeOf(err))
}

func TestOneOfSixteenStartsWins(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.source.put("a", map[string]any{"name": "n"})
	_, open := w.holdFirstPage()
	services := []*syncrun.Service{w.svc, w.service(), w.service()}
	type outcome struct {
		run *syncrun.Run
		err error
	}
	outcomes := make([]outcome, 16)
	var all sync.WaitGroup
	for i := range outcomes {
		all.Go(func() {
			run, err := services[i%3].Start(context.Background(), "s", syncrun.Start{Method: syncrun.DoPull})
			outcomes[i] = outcome{run, err}
		})
	}
	all.Wait()
	var won *syncrun.Run
	for _, o := range outcomes {
		if o.err == nil {
			require.Nil(t, won, "two runs at once")
			won = o.run
		}
	}
	require.NotNil(t, won)
	for _, o := range outcomes {
		if o.err == nil {
			continue
		}
		require.Equal(t, fault.Conflict, fault.CodeOf(o.err))
		busy, ok := errors.AsType[*syncrun.Busy](o.err)
		require.True(t, ok)
		require.Equal(t, won.ID, busy.Run.ID, "the error names the run that is at work")
	}
	open()
	run, err := w.svc.Wait(context.Background(), "s", won.ID, nil)
	require.NoError(t, err)
	require.Equal(t, syncrun.Finished, run.State)
	runs, err := w.svc.Runs(t.Context(), "s", 100)
	require.NoError(t, err)
	require.Len(t, runs, 1)
}

func TestAnEventStartsOneRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	services := []*syncrun.Service{w.svc, w.service()}
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			run, err := services[i%2].Start(context.Background(), "s", syncrun.Start{Trigger: "message", EventID: "e1"})
			if err == nil {
				_, err = services[i%2].Wait(context.Background(), "s", run.ID, nil)
			}
			require.NoError(t, err)
		})
	}
	all.Wait()
	w.finished(syncrun.Start{Trigger: "message", EventID: "e2"})
	w.finished(syncrun.Start{Trigger: "message", EventID: "e1"}) // delivered a second time, and late
	runs, err := w.svc.Runs(t.Context(), "s", 100)
	require.NoError(t, err)
	require.Len(t, runs, 2)
}

func TestCancelStopsAtAPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.source.pageSize = 4
	for i := range 40 {
		w.source.put(fmt.Sprint("r", i), map[string]any{"name": fmt.Sprint("n", i)})
	}
	var id atomic.Value
	w.source.beforePage = func(n int) error {
		if n == 3 {
			_, err := w.svc.Cancel(context.Background(), "s", id.Load().(string))
			return err
		}
		return nil
	}
	svc := w.serviceWith(w.store, func(o *syncrun.Options) {
		o.Dispatch = func(context.Context, string, string) error { return nil }
	})
	run, err := svc.Start(t.Context(), "s", syncrun.Start{Method: syncrun.DoPull})
	require.NoError(t, err)
	id.Store(run.ID)
	require.NoError(t, svc.Work(t.Context(), "s", run.ID))
	run, err = svc.Run(t.Context(), "s", run.ID)
	require.NoError(t, err)
	require.Equal(t, syncrun.Cancelled, run.State)
	require.Len(t, w.records(), int(run.Counts.Created), "only what was done is counted")
	require.Less(t, run.Counts.Created, int64(20))
	require.Zero(t, run.Counts.Created%4, "whole pages")
	_, err = svc.Cancel(t.Context(), "s", run.ID)
	require.Equal(t, fault.Conflict, fault.CodeOf(err))

	w.source.beforePage = nil
	w.finished(syncrun.Start{Method: syncrun.DoPull})
	require.Len(t, w.records(), 40)
}
