package run_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

// A process may die before any of its commits, or after a commit and before its answer.
// Another process continues, and nothing is lost or doubled on either side.
func TestADeadProcessIsTakenOver(t *testing.T) {
	t.Parallel()
	for _, lostAnswer := range []bool{false, true} {
		for commits := range 14 {
			t.Run(fmt.Sprintf("commits=%d,lostAnswer=%v", commits, lostAnswer), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, nil)
				w.source.chooses = true
				w.source.pageSize = 5
				for i := range 20 {
					w.source.put(fmt.Sprint("theirs-", i), map[string]any{"name": fmt.Sprint("n", i)})
					w.put(fmt.Sprint("ours-", i), map[string]any{"name": fmt.Sprint("m", i)})
				}
				docs := &dyingStore{Docs: w.store, lostAnswer: lostAnswer}
				docs.left.Store(int64(commits))
				doomed := w.serviceOn(docs)
				if _, err := doomed.Start(context.Background(), "s", syncrun.Start{}); err == nil {
					_ = doomed.Close(context.Background()) // waits for its end
				}
				w.wait(time.Minute) // its lease runs out
				w.takeOver()
				w.wait(time.Hour)
				w.finished(syncrun.Start{})
				require.Len(t, w.records(), 40)
				require.Len(t, w.source.live(), 40)
				last := w.finished(syncrun.Start{})
				require.Zero(t, last.Counts.Created+last.Counts.Updated+last.Counts.Deleted)
			})
		}
	}
}

// A process that only seemed dead writes nothing when it resumes.
func TestAStaleHolderWritesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.source.put("a", map[string]any{"name": "n"})
	reached, open := w.holdFirstPage()
	asleep := w.service()
	run, err := asleep.Start(context.Background(), "s", syncrun.Start{Method: syncrun.DoPull})
	require.NoError(t, err)
	<-reached
	w.wait(time.Minute)
	_, taken, err := w.svc.Due(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, taken)
	run, err = w.svc.Wait(context.Background(), "s", run.ID, nil)
	require.NoError(t, err)
	require.Equal(t, syncrun.Finished, run.State)
	require.Equal(t, 2, run.Invocations)
	before := w.everything()
	open()
	require.NoError(t, asleep.Close(context.Background()))
	require.Equal(t, before, w.everything())
}

// A run that takes longer than an invocation is handed on to the next one.
func TestHandOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.source.pageSize = 4
	for i := range 40 {
		w.source.put(fmt.Sprint("r", i), map[string]any{"name": fmt.Sprint("n", i)})
	}
	tasks := make(chan string, 100)
	w.source.beforePage = func(int) error { w.wait(40 * time.Second); return nil }
	svc := w.serviceWith(w.store, func(o *syncrun.Options) {
		o.MaxInvocation = time.Minute
		o.Dispatch = func(_ context.Context, _, runID string) error { tasks <- runID; return nil }
	})
	run, err := svc.Start(t.Context(), "s", syncrun.Start{Method: syncrun.DoPull})
	require.NoError(t, err)
	for !run.State.Ended() {
		select {
		case id := <-tasks:
			require.NoError(t, svc.Work(t.Context(), "s", id))
			require.NoError(t, svc.Work(t.Context(), "s", id), "a task that arrives twice")
		default:
			require.Fail(t, "nobody works on the run", "%+v", run)
		}
		run, err = svc.Run(t.Context(), "s", run.ID)
		require.NoError(t, err)
	}
	require.Equal(t, syncrun.Finished, run.State, "%q", run.Errors)
	require.Greater(t, run.Invocations, 3)
	require.Equal(t, int64(40), run.Counts.Created)
	require.Equal(t, int64(40), run.Counts.Read, "no page was read twice")
	require.Len(t, w.records(), 40)
}

// A process that shuts down leaves its run to another one at once.
func TestShutDownLeavesTheRunToOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.source.pageSize = 4
	for i := range 20 {
		w.source.put(fmt.Sprint("r", i), map[string]any{"name": fmt.Sprint("n", i)})
	}
	leaving := w.service()
	reached, open := w.holdFirstPage()
	run, err := leaving.Start(context.Background(), "s", syncrun.Start{Method: syncrun.DoPull})
	require.NoError(t, err)
	<-reached
	closed := make(chan error)
	go func() { closed <- leaving.Close(context.Background()) }()
	require.Eventually(t, func() bool { // it is shutting down
		_, err := leaving.Start(context.Background(), "s", syncrun.Start{})
		return fault.CodeOf(err) == fault.Conflict || fault.CodeOf(err) == fault.Unavailable
	}, 10*time.Second, time.Millisecond)
	open()
	require.NoError(t, <-closed)
	_, _, err = w.svc.Due(t.Context()) // no waiting for a lease
	require.NoError(t, err)
	run, err = w.svc.Wait(context.Background(), "s", run.ID, nil)
	require.NoError(t, err)
	require.Equal(t, syncrun.Finished, run.State)
	require.Len(t, w.records(), 20)
}
