package run_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/store"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

// A run whose process died ends with its sync, and can be cancelled whatever became of it.
func TestADeletedSyncLeavesNoRunRunning(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	svc := w.serviceWith(w.store, func(o *syncrun.Options) {
		o.Dispatch = func(context.Context, string, string) error { return nil } // it dies before it works
	})
	run, err := svc.Start(t.Context(), "s", syncrun.Start{})
	require.NoError(t, err)
	w.wait(time.Minute)
	require.NoError(t, svc.DeleteSync(t.Context(), "s", ""))
	run, err = svc.Run(t.Context(), "s", run.ID)
	require.NoError(t, err)
	require.Equal(t, syncrun.Failed, run.State)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	_, err = svc.Cancel(ctx, "s", run.ID)
	require.ErrorContains(t, err, "has ended")
}

// So does one whose sync was deleted by a process that left it as it was.
func TestARunThatNobodyHasIsCancelled(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	svc := w.serviceWith(w.store, func(o *syncrun.Options) {
		o.Dispatch = func(context.Context, string, string) error { return nil }
	})
	run, err := svc.Start(t.Context(), "s", syncrun.Start{})
	require.NoError(t, err)
	_, err = w.store.Commit(t.Context(), []store.Write{{Collection: store.Collection{Kind: "state", Scope: "sync"}, Doc: store.Doc{ID: "s"}, Delete: true, Any: true}})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	_, err = svc.Cancel(ctx, "s", run.ID)
	require.NoError(t, err)
	run, err = svc.Run(t.Context(), "s", run.ID)
	require.NoError(t, err)
	require.Equal(t, syncrun.Cancelled, run.State)
}

// A run of the definition before, whose process died, is not gone on with.
func TestAChangedSyncLeavesNoRunToBeTakenOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.source.put("a", map[string]any{"name": "n"})
	svc := w.serviceWith(w.store, func(o *syncrun.Options) {
		o.Dispatch = func(context.Context, string, string) error { return nil }
	})
	run, err := svc.Start(t.Context(), "s", syncrun.Start{})
	require.NoError(t, err)
	w.wait(time.Minute)
	def := *w.def
	def.Name = "changed"
	_, err = svc.UpdateSync(t.Context(), "s", &def, "")
	require.NoError(t, err)
	run, err = svc.Run(t.Context(), "s", run.ID)
	require.NoError(t, err)
	require.Equal(t, syncrun.Failed, run.State)
	n, err := svc.TakeOver(t.Context())
	require.NoError(t, err)
	require.Zero(t, n)
	w.finished(syncrun.Start{})
	require.Len(t, w.records(), 1)
}
