package run_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	syncrun "github.com/headgate/headgate/internal/sync/run"
)

// The answer to a push is lost. The row is there, and the next run finds it instead of
// creating another.
func TestALostAnswerDoublesNothingAtTheSource(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.source.chooses = true
	for i := range 20 {
		w.put(fmt.Sprint("ours-", i), map[string]any{"name": fmt.Sprint("m", i)})
	}
	var n atomic.Int64
	w.source.afterPush = func() error {
		if n.Add(1)%2 == 1 {
			return errAway
		}
		return nil
	}
	for range 8 {
		w.run(syncrun.Start{})
		w.wait(time.Minute)
	}
	w.source.afterPush = nil
	w.finished(syncrun.Start{})
	require.Len(t, w.source.live(), 20)
	require.Len(t, w.records(), 20)
}

// Between the lost answer and the next run people edit and delete what was sent, and
// then start a pull only.
func TestWhatWasSentIsEditedBeforeItsAnswerIsKnown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.source.chooses = true
	for i := range 3 {
		w.put(fmt.Sprint("ours-", i), map[string]any{"name": "first"})
	}
	w.source.afterPush = func() error { return errAway }
	require.Equal(t, syncrun.Failed, w.run(syncrun.Start{}).State)
	w.source.afterPush = nil
	w.wait(time.Minute)
	w.put("ours-0", map[string]any{"name": "edited"})
	require.NoError(t, w.ents.Delete(t.Context(), "acme", "item", "ours-1", ""))
	run := w.finished(syncrun.Start{Method: syncrun.DoPull})
	require.True(t, run.Results[0].Settle, "the run first resolves the unanswered creations")
	require.Len(t, w.records(), 2)
	w.wait(time.Minute)
	w.finished(syncrun.Start{})
	require.Equal(t, map[string]map[string]any{
		"row-1": {"name": "edited"}, "row-3": {"name": "first"},
	}, withoutID(w.source.live()))
	require.Len(t, w.records(), 2)
}

func withoutID(rows map[string]map[string]any) map[string]map[string]any {
	for _, r := range rows {
		delete(r, "id")
	}
	return rows
}
