package run_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	syncrun "github.com/headgate/headgate/internal/sync/run"
)

// A source may choose a key that is the id of another record here. The row does not become
// that record.
func TestAChosenKeyThatIsAnID(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.source.chooses = true
	w.put("row-2", map[string]any{"name": "ours"})
	w.finished(syncrun.Start{}) // it is row-1 there
	w.source.put("row-2", map[string]any{"name": "theirs"})
	w.wait(time.Hour)
	w.finished(syncrun.Start{})
	require.Equal(t, map[string]map[string]any{"row-2": {"name": "ours"}, "row-2@s": {"name": "theirs"}}, w.records())
	w.wait(time.Hour)
	w.source.put("row-2", map[string]any{"name": "theirs, edited"})
	w.put("row-2", map[string]any{"name": "ours, edited"})
	w.finished(syncrun.Start{})
	require.Equal(t, "theirs, edited", w.records()["row-2@s"]["name"])
	require.Equal(t, "ours, edited", w.source.live()["row-1"]["name"])
	require.Len(t, w.source.live(), 2)

	out, err := w.rows.Receive(t.Context(), "s", "item", []map[string]any{{"id": "row-1", "name": "pushed in"}})
	require.NoError(t, err)
	require.Equal(t, "row-2", out[0].ID)
	require.Len(t, w.records(), 2)
}

// A row whose key looks like an id that a record got here, because its own was taken, is
// another row: whichever of the two comes first, or if both come at once.
func TestAKeyThatLooksLikeAnIDOfOurs(t *testing.T) {
	t.Parallel()
	for name, order := range map[string][][]string{
		"at once": {{"row-2", "row-2@s"}}, "first": {{"row-2@s"}, {"row-2"}}, "second": {{"row-2"}, {"row-2@s"}},
	} {
		w := newWorld(t, nil)
		w.source.chooses = true
		w.put("row-2", map[string]any{"name": "ours"})
		w.finished(syncrun.Start{}) // it is row-1 there
		for _, keys := range order {
			for _, key := range keys {
				w.source.put(key, map[string]any{"name": "theirs " + key})
			}
			w.wait(time.Hour)
			w.finished(syncrun.Start{})
		}
		w.wait(time.Hour)
		w.finished(syncrun.Start{})
		names := map[any]bool{}
		for _, data := range w.records() {
			names[data["name"]] = true
		}
		require.Equal(t, map[any]bool{"ours": true, "theirs row-2": true, "theirs row-2@s": true}, names, name)
		require.Len(t, w.records(), 3, name)
		require.Len(t, w.source.live(), 3, name)
	}
}
