package run_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/sync/definition"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

func (w *world) queue(svc *syncrun.Service, event string) (*syncrun.Run, bool) {
	w.t.Helper()
	run, waiting, err := svc.Queue(context.Background(), "s", syncrun.Start{Trigger: "webhook", EventID: event})
	require.NoError(w.t, err)
	return run, waiting
}

func (w *world) ended(id string) *syncrun.Run {
	w.t.Helper()
	run, err := w.svc.Wait(context.Background(), "s", id, nil)
	require.NoError(w.t, err)
	return run
}

// A request that comes while a run is at work is stored, and one run follows for all such
// requests. It sees what changed after the run at work had read the source.
func TestRequestsDuringARunShareTheNextOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.source.put("a", map[string]any{"name": "n"})
	reached, open := w.holdFirstPage()
	first, waiting := w.queue(w.svc, "h:1")
	require.False(t, waiting, "no run is at work")
	<-reached
	again, waiting := w.queue(w.svc, "h:1")
	require.Equal(t, first.ID, again.ID, "the same request")
	require.False(t, waiting)

	w.source.put("b", map[string]any{"name": "later"})
	services := []*syncrun.Service{w.svc, w.service(), w.service()}
	var all sync.WaitGroup
	ids := make([]string, 30)
	for i := range ids {
		all.Go(func() {
			run, waits, err := services[i%3].Queue(context.Background(), "s", syncrun.Start{Trigger: "webhook", EventID: fmt.Sprint("h:", 2+i)})
			if err == nil && waits {
				ids[i] = run.ID
			}
		})
	}
	all.Wait()
	for _, id := range ids {
		require.Equal(t, ids[0], id, "one run for all")
	}
	next, err := w.svc.Run(t.Context(), "s", ids[0])
	require.NoError(t, err)
	require.Equal(t, syncrun.Pending, next.State)
	_, err = w.svc.Start(t.Context(), "s", syncrun.Start{})
	require.Equal(t, fault.Conflict, fault.CodeOf(err), "a person is told that a run is at work")
	open()
	require.Equal(t, syncrun.Finished, w.ended(first.ID).State)
	require.Equal(t, syncrun.Finished, w.ended(next.ID).State)
	require.Contains(t, w.records(), "b")
	runs, err := w.svc.Runs(t.Context(), "s", 100)
	require.NoError(t, err)
	require.Len(t, runs, 2)
	last, waiting := w.queue(w.svc, "h:99")
	require.False(t, waiting)
	require.Equal(t, syncrun.Finished, w.ended(last.ID).State)
}

// A request is not served by a run that does less: one that waits to pull also pushes, if a
// request for the whole sync joins it.
func TestARunThatWaitsDoesWhatItsRequestsAskFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.source.put("a", map[string]any{"name": "n"})
	reached, open := w.holdFirstPage()
	w.queue(w.svc, "h:1")
	<-reached
	first, waiting, err := w.svc.Queue(t.Context(), "s", syncrun.Start{Method: syncrun.DoPull, EventID: "h:2"})
	require.NoError(t, err)
	require.True(t, waiting)
	whole, waiting := w.queue(w.svc, "h:3")
	require.True(t, waiting)
	require.Equal(t, first.ID, whole.ID)
	w.put("b", map[string]any{"name": "edited here"})
	open()
	require.Equal(t, syncrun.Finished, w.ended(whole.ID).State)
	require.Equal(t, syncrun.DoBoth, w.ended(whole.ID).Method)
	require.Len(t, w.source.live(), 2, "the edit was pushed")
}

// Whenever the process dies, a request that was acknowledged is followed by a run that
// begins after it.
func TestAQueuedRunSurvivesACrash(t *testing.T) {
	t.Parallel()
	for _, lostAnswer := range []bool{false, true} {
		for commits := range 12 {
			t.Run(fmt.Sprintf("commits=%d,lostAnswer=%v", commits, lostAnswer), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, func(s *definition.Sync) { s.Type = definition.Pull })
				w.source.put("a", map[string]any{"name": "n"})
				docs := &dyingStore{Docs: w.store, lostAnswer: lostAnswer}
				docs.left.Store(int64(commits))
				doomed := w.serviceOn(docs)
				reached, open := w.holdFirstPage()
				if _, err := doomed.Start(context.Background(), "s", syncrun.Start{}); err == nil {
					select {
					case <-reached:
					case <-t.Context().Done():
					case <-time.After(time.Second): // it died before the first page
					}
				}
				w.source.put("b", map[string]any{"name": "later"})
				_, _, err := doomed.Queue(context.Background(), "s", syncrun.Start{Trigger: "webhook", EventID: "h:1"})
				open()
				_ = doomed.Close(context.Background())
				w.wait(time.Minute) // its leases run out
				for range 3 {
					w.takeOver()
				}
				if err == nil {
					require.Contains(t, w.records(), "b")
				}
				w.finished(syncrun.Start{})
				require.Len(t, w.records(), 2)
			})
		}
	}
}

// What is committed with a run is stored exactly if the run is, and a run is not started
// when it has changed.
func TestWhatIsCommittedWithARun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	seen := func(id, rev string) []store.Write {
		return []store.Write{{Collection: store.Collection{Kind: "seen", Scope: "h"}, Doc: store.Doc{ID: id, Body: []byte(`{}`), Rev: rev}}}
	}
	reached, open := w.holdFirstPage()
	run, _, err := w.svc.Queue(t.Context(), "s", syncrun.Start{EventID: "h:1", With: seen("1", "")})
	require.NoError(t, err)
	<-reached
	_, _, err = w.svc.Queue(t.Context(), "s", syncrun.Start{With: seen("1", "")})
	require.ErrorIs(t, err, store.ErrConflict)
	next, waiting, err := w.svc.Queue(t.Context(), "s", syncrun.Start{With: seen("2", "")})
	require.NoError(t, err)
	require.True(t, waiting)
	_, _, err = w.svc.Queue(t.Context(), "s", syncrun.Start{With: seen("2", "")})
	require.ErrorIs(t, err, store.ErrConflict, "also to join the run that waits")
	open()
	w.ended(run.ID)
	w.ended(next.ID)
	_, _, err = w.svc.Queue(t.Context(), "s", syncrun.Start{With: seen("1", "")})
	require.ErrorIs(t, err, store.ErrConflict)
	runs, err := w.svc.Runs(t.Context(), "s", 100)
	require.NoError(t, err)
	require.Len(t, runs, 2)
}

func TestAWaitingRunIsCancelledOrGoesWithItsSync(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.source.put("a", map[string]any{"name": "n"})
	reached, open := w.holdFirstPage()
	first, _ := w.queue(w.svc, "h:1")
	<-reached
	next, waiting := w.queue(w.svc, "h:2")
	require.True(t, waiting)
	_, err := w.svc.Cancel(t.Context(), "s", next.ID)
	require.NoError(t, err)
	other, waiting := w.queue(w.svc, "h:3")
	require.True(t, waiting)
	require.NotEqual(t, next.ID, other.ID, "a cancelled run is not joined")
	open()
	require.Equal(t, syncrun.Finished, w.ended(first.ID).State)
	require.Equal(t, syncrun.Finished, w.ended(other.ID).State)
	require.Equal(t, syncrun.Cancelled, w.ended(next.ID).State)

	// The process at work dies, and the sync is deleted.
	idle := w.serviceWith(w.store, func(o *syncrun.Options) {
		o.Dispatch = func(context.Context, string, string) error { return nil }
	})
	dead, _ := w.queue(idle, "h:4")
	left, waiting := w.queue(idle, "h:5")
	require.True(t, waiting)
	w.wait(time.Minute)
	require.NoError(t, w.defs.Delete(t.Context(), "s", ""))
	for _, id := range []string{dead.ID, left.ID} {
		require.Equal(t, syncrun.Failed, w.ended(id).State)
	}
}

// A run that waits is not lost to a validation that somebody starts when the process at
// work has died, nor to a change of the sync.
func TestAWaitingRunOutlastsOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	idle := w.serviceWith(w.store, func(o *syncrun.Options) {
		o.Dispatch = func(context.Context, string, string) error { return nil }
	})
	w.source.put("a", map[string]any{"name": "n"})
	pending, _ := w.queue(idle, "h:1")
	w.wait(time.Minute)
	checked, err := w.svc.Start(t.Context(), "s", syncrun.Start{Method: syncrun.Validate})
	require.NoError(t, err)
	require.Equal(t, syncrun.Finished, w.ended(checked.ID).State)
	require.Equal(t, syncrun.Finished, w.ended(pending.ID).State)
	require.Contains(t, w.records(), "a")

	w.queue(idle, "h:2")
	left, waiting := w.queue(idle, "h:3")
	require.True(t, waiting)
	w.wait(time.Minute)
	def := *w.def
	def.Type = definition.Pull
	_, err = w.defs.Update(t.Context(), "s", &def, "")
	require.NoError(t, err)
	_, _, err = w.svc.Due(t.Context())
	require.NoError(t, err)
	run := w.ended(left.ID)
	require.Equal(t, syncrun.Finished, run.State, "%q", run.Errors)
	require.Equal(t, syncrun.DoPull, run.Method, "the sync's new type decides")
}

func TestARunThatWaitedForAOneTimeSync(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *definition.Sync) { s.IsOneTime = true; s.Type = definition.Pull })
	reached, open := w.holdFirstPage()
	first, _ := w.queue(w.svc, "h:1")
	<-reached
	next, waiting := w.queue(w.svc, "h:2")
	require.True(t, waiting)
	open()
	require.Equal(t, syncrun.Finished, w.ended(first.ID).State)
	run := w.ended(next.ID)
	require.Equal(t, syncrun.Cancelled, run.State)
	require.Contains(t, run.Warnings[0], "one-time")
	_, _, err := w.svc.Queue(t.Context(), "s", syncrun.Start{})
	require.Equal(t, fault.Conflict, fault.CodeOf(err))
}
