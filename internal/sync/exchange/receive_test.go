package exchange_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/definition"
	"github.com/headgate/headgate/internal/sync/exchange"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

func TestReceive(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	a, b := map[string]any{"id": "a", "name": "n", "value": int64(1)}, map[string]any{"id": "b", "value": "high"}
	require.Equal(t, []string{"created", "rejected"}, w.receive(a, b), "a bad row does not stop the others")
	require.Equal(t, []string{"unchanged"}, w.receive(a))
	require.Equal(t, []string{"updated", "unchanged"}, w.receive(map[string]any{"id": "a", "name": "m", "value": int64(1)}, map[string]any{"id": "c", "deleted": true}))
	require.Equal(t, "m", w.data("a")["name"])

	w.put("a", map[string]any{"name": "m", "value": int64(2)})
	require.Equal(t, []string{"updated"}, w.receive(map[string]any{"id": "a", "name": "p", "value": int64(1)}), "fields are merged as in a pull")
	require.Equal(t, map[string]any{"name": "p", "value": 2.0}, w.data("a"))
	require.Equal(t, []string{"deleted"}, w.receive(map[string]any{"id": "a", "deleted": true}), "under the rule source, the source wins")
	require.Equal(t, []string{"a", "a", "a", "a"}, w.changed)
	require.Zero(t, w.status)
	w.requireTold()
}

func TestReceiveRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	_, err := w.rows.Receive(t.Context(), "none", "", nil)
	require.Equal(t, fault.NotFound, fault.CodeOf(err))
	_, err = w.rows.Receive(t.Context(), "s", "other", nil)
	require.Equal(t, fault.Invalid, fault.CodeOf(err))
	_, err = w.rows.Receive(t.Context(), "s", "item", make([]map[string]any, exchange.MaxReceive+1))
	require.Equal(t, fault.TooLarge, fault.CodeOf(err))
}

// A row that is pushed in can be in conflict with an edit here. Under the rule manual a
// person decides, and the decision holds.
func TestWhatIsPushedInCanBeInConflict(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *definition.Sync) { s.Conflict = definition.Manual })
	w.receive(map[string]any{"id": "a", "name": "n", "value": int64(1)}, map[string]any{"id": "b", "name": "n"})
	w.put("a", map[string]any{"name": "ours", "value": int64(1)})
	w.put("b", map[string]any{"name": "ours"})
	w.receive(map[string]any{"id": "a", "name": "theirs", "value": int64(1)}, map[string]any{"id": "b", "deleted": true})
	require.Equal(t, 2, w.status)
	require.Equal(t, "ours", w.data("a")["name"])

	list, _, err := w.runs.Conflicts(t.Context(), "s", "", 10)
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.Equal(t, []syncrun.FieldConflict{{Field: "name", Base: "n", Store: "ours", Source: "theirs"}}, list[0].Fields)
	require.True(t, list[1].Deleted)
	for _, id := range []string{"a", "b"} {
		_, err = w.runs.Decide(t.Context(), "s", "item", id, syncrun.Decision{Choose: "source"})
		require.NoError(t, err)
	}
	require.Equal(t, "theirs", w.data("a")["name"])
	_, err = w.ents.Get(t.Context(), "acme", "item", "b")
	require.Equal(t, fault.Gone, fault.CodeOf(err))
	w.requireTold()
}
