package run_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

func TestPull(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for i := range 25 {
		w.source.put(fmt.Sprint("r", i), map[string]any{"name": fmt.Sprint("n", i), "value": i})
	}
	w.source.pageSize = 4
	run := w.finished(syncrun.Start{Method: syncrun.DoPull})
	require.Equal(t, syncrun.Counts{Read: 25, Created: 25}, run.Counts)
	require.Len(t, w.records(), 25)
	require.Equal(t, map[string]any{"name": "n7", "value": int64(7)}, w.records()["r7"])

	// The overlap is read again, and changes nothing.
	w.wait(time.Second)
	run = w.finished(syncrun.Start{Method: syncrun.DoPull})
	require.Equal(t, run.Counts.Read, run.Counts.Unchanged)

	w.wait(time.Hour)
	w.source.put("r3", map[string]any{"name": "new"})
	w.source.remove("r4")
	run = w.finished(syncrun.Start{Method: syncrun.DoPull})
	require.Equal(t, int64(1), run.Counts.Updated)
	require.Equal(t, int64(1), run.Counts.Deleted)
	require.Equal(t, "new", w.records()["r3"]["name"])
	require.NotContains(t, w.records(), "r4")
	_, err := w.ents.Get(t.Context(), "acme", "item", "r4")
	require.Equal(t, fault.Gone, fault.CodeOf(err))
}

// Where the source chooses keys, the record keeps its id here, and is found by the key
// that its row has there.
func TestSourceChoosesKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.source.chooses = true
	w.put("mine", map[string]any{"name": "n"})
	w.finished(syncrun.Start{})
	require.Contains(t, w.source.live(), "row-1")
	w.wait(time.Hour)
	w.source.put("row-1", map[string]any{"name": "changed there"})
	w.finished(syncrun.Start{})
	require.Equal(t, map[string]map[string]any{"mine": {"name": "changed there"}}, w.records())
	w.wait(time.Hour)
	w.put("mine", map[string]any{"name": "changed here"})
	w.finished(syncrun.Start{})
	require.Equal(t, "changed here", w.source.live()["row-1"]["name"])
	require.Len(t, w.source.live(), 1)
}
