package run_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

// Under the rule manual a row that was edited there is not deleted because its record
// was deleted here: somebody is asked.
func TestManualAsksBeforeItDeletesAnEditedRow(t *testing.T) {
	t.Parallel()
	for _, choice := range []string{"source", "store"} {
		t.Run(choice, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(s *syncrun.Sync) { s.Conflict = syncrun.Manual })
			w.source.put("a", map[string]any{"name": "n", "value": 1})
			w.finished(syncrun.Start{})
			w.wait(time.Hour)
			w.source.put("a", map[string]any{"name": "edited there"})
			require.NoError(t, w.ents.Delete(t.Context(), "acme", "item", "a", ""))
			for range 3 {
				w.finished(syncrun.Start{})
				require.Empty(t, w.records())
				require.Contains(t, w.source.live(), "a")
				w.wait(time.Hour)
			}
			list, _, err := w.svc.Conflicts(t.Context(), "s", "", 10)
			require.NoError(t, err)
			require.Len(t, list, 1)
			require.True(t, list[0].DeletedHere)
			require.Equal(t, []syncrun.FieldConflict{{Field: "name", Base: "n", Source: "edited there"}}, list[0].Fields)

			_, err = w.svc.Decide(t.Context(), "s", "item", "a", syncrun.Decision{Fields: map[string]string{"name": "source"}})
			require.Equal(t, fault.Invalid, fault.CodeOf(err))
			left, err := w.svc.Decide(t.Context(), "s", "item", "a", syncrun.Decision{Choose: choice})
			require.NoError(t, err)
			require.Nil(t, left)
			w.finished(syncrun.Start{})
			if choice == "source" {
				require.Equal(t, "edited there", w.records()["a"]["name"])
				require.Len(t, w.source.live(), 1)
			} else {
				require.Empty(t, w.records())
				require.Empty(t, w.source.live())
			}
		})
	}
}

// A row that was deleted and is there again is no question any more.
func TestARowThatComesBackIsNotDeleted(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{"as it was": "n", "changed": "back"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(s *syncrun.Sync) { s.Conflict = syncrun.Manual })
			w.source.put("a", map[string]any{"name": "n"})
			w.finished(syncrun.Start{})
			w.wait(time.Hour)
			w.source.remove("a")
			w.put("a", map[string]any{"name": "ours"})
			w.finished(syncrun.Start{})
			list, _, err := w.svc.Conflicts(t.Context(), "s", "", 10)
			require.NoError(t, err)
			require.Len(t, list, 1)
			require.True(t, list[0].Deleted)

			w.wait(time.Hour)
			w.source.put("a", map[string]any{"name": value})
			w.finished(syncrun.Start{})
			list, _, err = w.svc.Conflicts(t.Context(), "s", "", 10)
			require.NoError(t, err)
			if value == "n" {
				require.Empty(t, list)
				require.Equal(t, "ours", w.source.live()["a"]["name"])
				return
			}
			require.Len(t, list, 1)
			require.False(t, list[0].Deleted)
			require.Equal(t, []syncrun.FieldConflict{{Field: "name", Base: "n", Store: "ours", Source: "back"}}, list[0].Fields)
		})
	}
}
