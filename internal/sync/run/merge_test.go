package run_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/sync/definition"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

// Both sides edit different fields of a record. Afterwards both have both edits.
func TestDisjointEditsMerge(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.source.put("a", map[string]any{"name": "n", "value": 1, "note": "x"})
	w.finished(syncrun.Start{})
	w.wait(time.Hour)
	w.source.put("a", map[string]any{"value": 2})
	_, err := w.ents.Patch(t.Context(), "acme", "item", "a", map[string]any{"name": "edited"}, "")
	require.NoError(t, err)
	run := w.finished(syncrun.Start{})
	require.Zero(t, run.Counts.Conflicts)
	want := map[string]any{"name": "edited", "value": int64(2), "note": "x"}
	require.Equal(t, want, w.records()["a"])
	require.Equal(t, "edited", w.source.live()["a"]["name"])
	require.Equal(t, "2", fmt.Sprint(w.source.live()["a"]["value"]))
}

func TestConflictRules(t *testing.T) {
	t.Parallel()
	for rule, want := range map[definition.Rule]string{
		definition.SourceWins: "theirs", definition.StoreWins: "ours", definition.Newest: "ours",
	} {
		t.Run(string(rule), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(s *definition.Sync) { s.Conflict = rule })
			w.source.put("a", map[string]any{"name": "n"})
			w.finished(syncrun.Start{})
			w.wait(time.Hour)
			w.source.put("a", map[string]any{"name": "theirs"})
			w.wait(time.Second)
			w.put("a", map[string]any{"name": "ours"})
			w.finished(syncrun.Start{})
			require.Equal(t, want, w.records()["a"]["name"])
			require.Equal(t, want, w.source.live()["a"]["name"])
		})
	}
}
