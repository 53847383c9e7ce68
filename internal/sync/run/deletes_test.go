package run_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/sync/definition"
	"github.com/headgate/headgate/internal/sync/mapping"
	syncrun "github.com/headgate/headgate/internal/sync/run"
	"github.com/headgate/headgate/internal/sync/source"
)

func TestDeletesBothWays(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.source.put("a", map[string]any{"name": "a"})
	w.source.put("b", map[string]any{"name": "b"})
	w.finished(syncrun.Start{})
	w.wait(time.Hour)
	require.NoError(t, w.ents.Delete(t.Context(), "acme", "item", "a", ""))
	w.source.remove("b")
	w.finished(syncrun.Start{})
	require.Empty(t, w.records())
	require.Empty(t, w.source.live())
	w.wait(time.Hour)
	run := w.finished(syncrun.Start{})
	require.Zero(t, run.Counts.Deleted+run.Counts.Created+run.Counts.Updated)
}

// A source that loses most of its rows stops the run. AllowDeletes lets it continue.
func TestMassDeleteAsks(t *testing.T) {
	t.Parallel()
	for _, side := range []string{"source", "store"} {
		t.Run(side, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			for i := range 40 {
				w.source.put(fmt.Sprint("r", i), map[string]any{"name": "x"})
			}
			w.finished(syncrun.Start{})
			w.wait(time.Hour)
			for i := range 15 {
				if side == "source" {
					w.source.remove(fmt.Sprint("r", i))
				} else {
					require.NoError(t, w.ents.Delete(t.Context(), "acme", "item", fmt.Sprint("r", i), ""))
				}
			}
			run := w.run(syncrun.Start{})
			require.Equal(t, syncrun.Failed, run.State)
			require.Contains(t, run.Errors[0], "allowDeletes=true")
			if side == "source" {
				require.Len(t, w.records(), 40)
			} else {
				require.Len(t, w.source.live(), 40)
			}
			w.finished(syncrun.Start{AllowDeletes: true})
			require.Len(t, w.records(), 25)
			require.Len(t, w.source.live(), 25)
		})
	}
}

// A run that stopped because it would delete too much has deleted some. The next run
// does not delete as many again.
func TestMassDeleteAsksUntilItIsAnswered(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.source.pageSize = 5
	for i := range 40 {
		w.source.put(fmt.Sprintf("r%02d", i), map[string]any{"name": "x"})
	}
	w.finished(syncrun.Start{})
	w.wait(time.Hour)
	for i := range 15 {
		w.source.remove(fmt.Sprintf("r%02d", i))
	}
	for range 3 {
		run := w.run(syncrun.Start{})
		require.Equal(t, syncrun.Failed, run.State)
		require.Contains(t, run.Errors[0], "allowDeletes=true")
		require.Len(t, w.records(), 30)
		w.wait(time.Hour)
	}
	w.finished(syncrun.Start{AllowDeletes: true})
	require.Len(t, w.records(), 25)
	w.wait(time.Hour)
	for i := range 10 {
		w.source.remove(fmt.Sprintf("r%02d", 20+i))
	}
	w.finished(syncrun.Start{}) // it was answered
	require.Len(t, w.records(), 15)
}

// The same holds for a push.
func TestMassDeleteThereAsksUntilItIsAnswered(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *definition.Sync) { s.Type = definition.Push })
	for i := range 600 {
		w.put(fmt.Sprintf("r%03d", i), map[string]any{"name": "x"})
		w.wait(time.Millisecond)
	}
	w.finished(syncrun.Start{})
	remove := func(from, to int) {
		for i := from; i < to; i++ {
			w.wait(time.Millisecond)
			require.NoError(t, w.ents.Delete(t.Context(), "acme", "item", fmt.Sprintf("r%03d", i), ""))
		}
	}
	w.wait(time.Hour)
	remove(0, 40)
	for i := range 460 {
		w.wait(time.Millisecond)
		w.put(fmt.Sprintf("r%03d", 100+i), map[string]any{"name": "y"})
	}
	remove(40, 80) // on the second page
	for range 2 {
		run := w.run(syncrun.Start{})
		require.Equal(t, syncrun.Failed, run.State)
		require.Len(t, w.source.live(), 560)
	}
	w.finished(syncrun.Start{AllowDeletes: true})
	require.Len(t, w.source.live(), 520)
}

// No record is deleted before all missing rows are counted.
func TestMassAbsenceDeletesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *definition.Sync) {
		s.Type = definition.Pull
		s.Mapping["item"] = &mapping.Type{Delete: &mapping.Delete{Missing: true}}
	})
	w.source.snapshot = true
	for i := range 4000 {
		w.source.put(fmt.Sprintf("r%04d", i), map[string]any{"name": "x"})
	}
	w.finished(syncrun.Start{})
	for i := range 300 {
		w.source.remove(fmt.Sprintf("r%04d", i))
		w.source.remove(fmt.Sprintf("r%04d", 3000+i))
	}
	run := w.run(syncrun.Start{})
	require.Equal(t, syncrun.Failed, run.State)
	require.Contains(t, run.Errors[0], "allowDeletes=true")
	require.Len(t, w.records(), 4000)
	w.finished(syncrun.Start{AllowDeletes: true})
	require.Len(t, w.records(), 3400)
}

// A pull that was handed on cannot tell which rows are missing. It warns about that.
func TestAbsenceIsUnknownAfterAHandOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *definition.Sync) {
		s.Type = definition.Pull
		s.Mapping["item"] = &mapping.Type{Delete: &mapping.Delete{Missing: true}}
	})
	w.source.snapshot, w.source.pageSize = true, 4
	for i := range 40 {
		w.source.put(fmt.Sprintf("r%02d", i), map[string]any{"name": "x"})
	}
	run := w.handedOn(syncrun.Start{})
	require.Equal(t, syncrun.Finished, run.State, "%q", run.Errors)
	require.Len(t, run.Warnings, 1)
	require.Contains(t, run.Warnings[0], "no record was deleted")
}

// doubtingReader is that of a source that somebody changes while it is read.
type doubtingReader struct {
	source.Reader
	why string
}

func (d doubtingReader) Doubt(context.Context) (string, error) { return d.why, nil }

// A pull whose source changed, or sent less than all, cannot tell which rows are missing. The next one
// can, also if its pages are the same.
func TestAbsenceIsUnknownIfTheSourceDoubts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *definition.Sync) {
		s.Type = definition.Pull
		s.Mapping["item"] = &mapping.Type{Delete: &mapping.Delete{Missing: true}}
	})
	w.source.snapshot = true
	why := ""
	w.kinds = source.NewRegistry(wrapped(w.source.kind(), func(r source.Reader) source.Reader { return doubtingReader{r, why} }))
	w.svc = w.service()
	for i := range 8 {
		w.source.put(fmt.Sprint(i), map[string]any{"name": "x"})
	}
	w.finished(syncrun.Start{})
	w.source.remove("7")
	why = "somebody changed the source while it was read"
	for range 2 {
		run := w.finished(syncrun.Start{})
		require.Len(t, run.Warnings, 1)
		require.Contains(t, run.Warnings[0], "somebody changed the source while it was read")
		require.Len(t, w.records(), 8)
	}
	why = ""
	require.Empty(t, w.finished(syncrun.Start{}).Warnings)
	require.Len(t, w.records(), 7)
}
