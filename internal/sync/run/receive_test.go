package run_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	syncrun "github.com/headgate/headgate/internal/sync/run"
)

// What another system pushes in can be in conflict with an edit here, as what is
// pulled can: under the rule manual somebody is asked, and what they choose holds.
func TestWhatIsPushedInCanBeInConflict(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *syncrun.Sync) { s.Conflict = syncrun.Manual })
	w.source.put("a", map[string]any{"name": "n", "value": 1})
	w.source.put("b", map[string]any{"name": "n"})
	w.finished(syncrun.Start{})
	w.wait(time.Hour)
	w.put("a", map[string]any{"name": "ours", "value": 1})
	w.put("b", map[string]any{"name": "ours"})
	_, err := w.svc.Receive(t.Context(), "s", "item", []map[string]any{
		{"id": "a", "name": "theirs", "value": int64(1)}, {"id": "b", "deleted": true},
	})
	require.NoError(t, err)
	require.Equal(t, "ours", w.records()["a"]["name"])

	list, _, err := w.svc.Conflicts(t.Context(), "s", "", 10)
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.Equal(t, []syncrun.FieldConflict{{Field: "name", Base: "n", Store: "ours", Source: "theirs"}}, list[0].Fields)
	require.True(t, list[1].Deleted)
	_, err = w.svc.Decide(t.Context(), "s", "item", "a", syncrun.Decision{Choose: "source"})
	require.NoError(t, err)
	_, err = w.svc.Decide(t.Context(), "s", "item", "b", syncrun.Decision{Choose: "source"})
	require.NoError(t, err)
	require.Len(t, w.records(), 1)
	require.Equal(t, "theirs", w.records()["a"]["name"])
}
