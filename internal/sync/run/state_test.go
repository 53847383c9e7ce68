package run_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/sync/definition"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

// A definition that is read and sent back counts as unchanged, in whatever order its
// options are: the sync keeps its state.
func TestADefinitionSentBackForgetsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *definition.Sync) {
		s.IsOneTime, s.Datasource.Options = true, json.RawMessage(`{"url": "a<b", "password": "hunter2", "a": 1.0}`)
	})
	w.finished(syncrun.Start{})
	d, err := w.defs.Get(t.Context(), "s")
	require.NoError(t, err)
	shown := d.Sync.Redact()
	_, err = w.defs.Update(t.Context(), "s", &shown, "")
	require.NoError(t, err)
	_, err = w.svc.Start(t.Context(), "s", syncrun.Start{})
	require.ErrorContains(t, err, "is a one-time sync and finished")

	shown.Datasource.Options = json.RawMessage(`{"url": "elsewhere"}`)
	_, err = w.defs.Update(t.Context(), "s", &shown, "")
	require.NoError(t, err)
	w.finished(syncrun.Start{})
}

// A run whose process died ends when its sync is deleted.
func TestADeletedSyncLeavesNoRunRunning(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	svc := w.serviceWith(w.store, func(o *syncrun.Options) {
		o.Dispatch = func(context.Context, string, string) error { return nil } // the process dies before it works on the run
	})
	run, err := svc.Start(t.Context(), "s", syncrun.Start{})
	require.NoError(t, err)
	w.wait(time.Minute)
	require.NoError(t, w.defs.Delete(t.Context(), "s", ""))
	run, err = svc.Run(t.Context(), "s", run.ID)
	require.NoError(t, err)
	require.Equal(t, syncrun.Failed, run.State)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	_, err = svc.Cancel(ctx, "s", run.ID)
	require.ErrorContains(t, err, "has ended")
}

// A run can be cancelled although its sync no longer knows it.
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

// No process continues a run of an earlier definition.
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
	_, err = w.defs.Update(t.Context(), "s", &def, "")
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
