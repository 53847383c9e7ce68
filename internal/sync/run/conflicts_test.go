package run_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/definition"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

func TestManualConflict(t *testing.T) {
	t.Parallel()
	for _, choice := range []string{"source", "store"} {
		t.Run(choice, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(s *definition.Sync) { s.Conflict = definition.Manual })
			w.source.put("a", map[string]any{"name": "n", "value": 1})
			w.finished(syncrun.Start{})
			w.wait(time.Hour)
			w.source.put("a", map[string]any{"name": "theirs"})
			w.put("a", map[string]any{"name": "ours", "value": 2})
			run := w.finished(syncrun.Start{})
			require.Equal(t, int64(1), run.Counts.Conflicts)
			require.Equal(t, "ours", w.records()["a"]["name"], "the store keeps its value until somebody decides")
			require.Equal(t, "theirs", w.source.live()["a"]["name"], "the source keeps its value, too")
			require.Equal(t, "2", fmt.Sprint(w.source.live()["a"]["value"]), "the other fields are synced")

			list, _, err := w.svc.Conflicts(t.Context(), "s", "", 10)
			require.NoError(t, err)
			require.Len(t, list, 1)
			require.Equal(t, []syncrun.FieldConflict{{Field: "name", Base: "n", Store: "ours", Source: "theirs"}}, list[0].Fields)

			w.wait(time.Second)
			left, err := w.svc.Decide(t.Context(), "s", "item", "a", syncrun.Decision{Choose: choice})
			require.NoError(t, err)
			require.Nil(t, left)
			w.finished(syncrun.Start{})
			want := map[string]string{"source": "theirs", "store": "ours"}[choice]
			require.Equal(t, want, w.records()["a"]["name"])
			require.Equal(t, want, w.source.live()["a"]["name"])
			list, _, err = w.svc.Conflicts(t.Context(), "s", "", 10)
			require.NoError(t, err)
			require.Empty(t, list)
		})
	}
}

// Under the rule manual, a row that was edited at the source is not deleted because its
// record was deleted here: a person decides.
func TestManualAsksBeforeItDeletesAnEditedRow(t *testing.T) {
	t.Parallel()
	for _, choice := range []string{"source", "store"} {
		t.Run(choice, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(s *definition.Sync) { s.Conflict = definition.Manual })
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

// The conflict about a deleted row ends when the row exists again.
func TestARowThatComesBackIsNotDeleted(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{"unchanged": "n", "changed": "back"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(s *definition.Sync) { s.Conflict = definition.Manual })
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
