package run_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	syncrun "github.com/headgate/headgate/internal/sync/run"
)

// A definition that is read and sent back is the same, in whatever order its options
// are: what the sync remembers stays.
func TestADefinitionSentBackForgetsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *syncrun.Sync) {
		s.IsOneTime, s.Datasource.Options = true, json.RawMessage(`{"url": "a<b", "password": "hunter2", "a": 1.0}`)
	})
	w.finished(syncrun.Start{})
	d, err := w.svc.Sync(t.Context(), "s")
	require.NoError(t, err)
	shown := d.Sync.Redact()
	_, err = w.svc.UpdateSync(t.Context(), "s", &shown, "")
	require.NoError(t, err)
	_, err = w.svc.Start(t.Context(), "s", syncrun.Start{})
	require.ErrorContains(t, err, "is a one-time sync and finished")

	shown.Datasource.Options = json.RawMessage(`{"url": "elsewhere"}`)
	_, err = w.svc.UpdateSync(t.Context(), "s", &shown, "")
	require.NoError(t, err)
	w.finished(syncrun.Start{})
}
