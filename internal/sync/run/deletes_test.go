package run_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/sync/mapping"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

// A run that stopped because it would delete too much has deleted some; the next
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

// The same on the way out.
func TestMassDeleteThereAsksUntilItIsAnswered(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *syncrun.Sync) { s.Type = syncrun.Push })
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

// Of what is missing, nothing is deleted before it is known that it is not too much.
func TestMassAbsenceDeletesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *syncrun.Sync) {
		s.Type = syncrun.Pull
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

// A pull that was handed on cannot say what is missing, and says so.
func TestAbsenceIsUnknownAfterAHandOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *syncrun.Sync) {
		s.Type = syncrun.Pull
		s.Mapping["item"] = &mapping.Type{Delete: &mapping.Delete{Missing: true}}
	})
	w.source.snapshot, w.source.pageSize = true, 4
	for i := range 40 {
		w.source.put(fmt.Sprintf("r%02d", i), map[string]any{"name": "x"})
	}
	run := w.handedOn(syncrun.Start{})
	require.Equal(t, syncrun.Finished, run.State, "%q", run.Errors)
	require.Len(t, run.Warnings, 1)
	require.Contains(t, run.Warnings[0], "none was deleted")
}

// A validation goes on in the next invocation, too, and plans nothing twice.
func TestAValidationIsHandedOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.source.pageSize = 4
	for i := range 40 {
		w.source.put(fmt.Sprint("r", i), map[string]any{"name": fmt.Sprint("n", i)})
	}
	run := w.handedOn(syncrun.Start{Method: syncrun.Validate})
	require.Equal(t, syncrun.Finished, run.State, "%q", run.Errors)
	require.Equal(t, syncrun.Counts{Read: 40, Created: 40}, run.Counts)
	require.Len(t, run.Plan, 40)
	require.Empty(t, w.records())
}

// handedOn runs the sync in invocations that have time for two pages.
func (w *world) handedOn(o syncrun.Start) *syncrun.Run {
	tasks := make(chan string, 100)
	w.source.beforePage = func(int) error { w.wait(40 * time.Second); return nil }
	svc := w.serviceWith(w.store, func(o *syncrun.Options) {
		o.MaxInvocation = time.Minute
		o.Dispatch = func(_ context.Context, _, runID string) error { tasks <- runID; return nil }
	})
	run, err := svc.Start(w.t.Context(), "s", o)
	require.NoError(w.t, err)
	for range 30 {
		select {
		case id := <-tasks:
			require.NoError(w.t, svc.Work(w.t.Context(), "s", id))
		default:
		}
		run, err = svc.Run(w.t.Context(), "s", run.ID)
		require.NoError(w.t, err)
		if run.State.Ended() {
			return run
		}
	}
	require.Fail(w.t, "the run has no end", "%+v", run)
	return nil
}
