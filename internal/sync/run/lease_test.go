package run_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

// holdFirstPage holds the source's first page until it is opened.
func (w *world) holdFirstPage() (reached <-chan struct{}, open func()) {
	at, gate := make(chan struct{}), make(chan struct{})
	var once, opened sync.Once
	w.source.beforePage = func(int) error {
		first := false
		once.Do(func() { first = true })
		if first {
			close(at)
			<-gate
		}
		return nil
	}
	open = func() { opened.Do(func() { close(gate) }) }
	w.t.Cleanup(open)
	return at, open
}

func TestOneOfSixteenStartsWins(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.source.put("a", map[string]any{"name": "n"})
	_, open := w.holdFirstPage()
	services := []*syncrun.Service{w.svc, w.service(), w.service()}
	type outcome struct {
		run *syncrun.Run
		err error
	}
	outcomes := make([]outcome, 16)
	var all sync.WaitGroup
	for i := range outcomes {
		all.Go(func() {
			run, err := services[i%3].Start(context.Background(), "s", syncrun.Start{Method: syncrun.DoPull})
			outcomes[i] = outcome{run, err}
		})
	}
	all.Wait()
	var won *syncrun.Run
	for _, o := range outcomes {
		if o.err == nil {
			require.Nil(t, won, "two runs at once")
			won = o.run
		}
	}
	require.NotNil(t, won)
	for _, o := range outcomes {
		if o.err == nil {
			continue
		}
		require.Equal(t, fault.Conflict, fault.CodeOf(o.err))
		busy, ok := errors.AsType[*syncrun.Busy](o.err)
		require.True(t, ok)
		require.Equal(t, won.ID, busy.Run.ID, "the error names the run that is at work")
	}
	open()
	run, err := w.svc.Wait(context.Background(), "s", won.ID, nil)
	require.NoError(t, err)
	require.Equal(t, syncrun.Finished, run.State)
	runs, err := w.svc.Runs(t.Context(), "s", 100)
	require.NoError(t, err)
	require.Len(t, runs, 1)
}

func TestAnEventStartsOneRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	services := []*syncrun.Service{w.svc, w.service()}
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			run, err := services[i%2].Start(context.Background(), "s", syncrun.Start{Trigger: "message", EventID: "e1"})
			if err == nil {
				_, err = services[i%2].Wait(context.Background(), "s", run.ID, nil)
			}
			require.NoError(t, err)
		})
	}
	all.Wait()
	w.finished(syncrun.Start{Trigger: "message", EventID: "e2"})
	w.finished(syncrun.Start{Trigger: "message", EventID: "e1"}) // late, and long after
	runs, err := w.svc.Runs(t.Context(), "s", 100)
	require.NoError(t, err)
	require.Len(t, runs, 2)
}

func TestWhatIsDueStartsOnceHoweverManyAsk(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *syncrun.Sync) { s.Frequency = "hourly" })
	services := []*syncrun.Service{w.svc, w.service(), w.service()}
	w.wait(3 * time.Hour) // two due times were slept through: one run makes up for them
	var started atomic.Int64
	var all sync.WaitGroup
	for i := range 12 {
		all.Go(func() {
			runs, _, err := services[i%3].Due(context.Background())
			require.NoError(t, err)
			started.Add(int64(len(runs)))
		})
	}
	all.Wait()
	runs, err := w.svc.Runs(t.Context(), "s", 100)
	require.NoError(t, err)
	require.Len(t, runs, 1)
	require.Positive(t, started.Load())
	_, err = w.svc.Wait(context.Background(), "s", runs[0].ID, nil)
	require.NoError(t, err)
	w.wait(time.Hour)
	again, _, err := w.svc.Due(t.Context())
	require.NoError(t, err)
	require.Len(t, again, 1, "and the next hour's")
}

// mortal is a process's view of the store: after some commits the process is dead.
type mortal struct {
	store.Docs
	left atomic.Int64
	// lostAnswer has the last commit take effect before the process dies.
	lostAnswer bool
}

var errDead = errors.New("this process is dead")

func (m *mortal) Get(ctx context.Context, c store.Collection, ids []string) ([]*store.Doc, error) {
	if m.left.Load() < 0 {
		return nil, errDead
	}
	return m.Docs.Get(ctx, c, ids)
}

func (m *mortal) List(ctx context.Context, l store.Listing) ([]store.Doc, error) {
	if m.left.Load() < 0 {
		return nil, errDead
	}
	return m.Docs.List(ctx, l)
}

func (m *mortal) Commit(ctx context.Context, writes []store.Write) ([]string, error) {
	if m.left.Add(-1) < 0 {
		if m.lostAnswer && m.left.Load() == -1 {
			_, _ = m.Docs.Commit(ctx, writes)
		}
		return nil, errDead
	}
	return m.Docs.Commit(ctx, writes)
}

// A process may die before any of its commits, or after it and before it hears:
// another goes on, and nothing is lost or doubled on either side.
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
				docs := &mortal{Docs: w.store, lostAnswer: lostAnswer}
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

// takeOver has another process go on with the run, if it was started at all.
func (w *world) takeOver() {
	w.t.Helper()
	_, _, err := w.svc.Due(context.Background())
	require.NoError(w.t, err)
	runs, err := w.svc.Runs(context.Background(), "s", 10)
	require.NoError(w.t, err)
	for _, run := range runs {
		run, err = w.svc.Wait(context.Background(), "s", run.ID, nil)
		require.NoError(w.t, err)
		require.Equal(w.t, syncrun.Finished, run.State, "%q", run.Errors)
	}
}

// A process that only seemed dead finds, when it wakes, that it may write no more.
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

// everything is the revisions of what a run writes.
func (w *world) everything() map[string]string {
	w.t.Helper()
	out := map[string]string{}
	for _, c := range []store.Collection{
		store.RecordsOf("acme", "item"), {Kind: "runs", Scope: "s"}, {Kind: "state"}, {Kind: "rejects", Scope: "s"},
	} {
		docs, err := w.store.List(context.Background(), store.Listing{Collection: c, Limit: 1000})
		require.NoError(w.t, err)
		for _, d := range docs {
			out[c.Kind+"/"+d.ID] = d.Rev
		}
	}
	require.NotEmpty(w.t, out)
	return out
}

// A long run is handed on from invocation to invocation.
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
			require.NoError(t, svc.Work(t.Context(), "s", id), "a task that comes twice")
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

func TestCancelStopsAtAPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.source.pageSize = 4
	for i := range 40 {
		w.source.put(fmt.Sprint("r", i), map[string]any{"name": fmt.Sprint("n", i)})
	}
	var id atomic.Value
	w.source.beforePage = func(n int) error {
		if n == 3 {
			_, err := w.svc.Cancel(context.Background(), "s", id.Load().(string))
			return err
		}
		return nil
	}
	svc := w.serviceWith(w.store, func(o *syncrun.Options) {
		o.Dispatch = func(context.Context, string, string) error { return nil }
	})
	run, err := svc.Start(t.Context(), "s", syncrun.Start{Method: syncrun.DoPull})
	require.NoError(t, err)
	id.Store(run.ID)
	require.NoError(t, svc.Work(t.Context(), "s", run.ID))
	run, err = svc.Run(t.Context(), "s", run.ID)
	require.NoError(t, err)
	require.Equal(t, syncrun.Cancelled, run.State)
	require.Len(t, w.records(), int(run.Counts.Created), "what is counted is what was done")
	require.Less(t, run.Counts.Created, int64(20))
	require.Zero(t, run.Counts.Created%4, "whole pages")
	_, err = svc.Cancel(t.Context(), "s", run.ID)
	require.Equal(t, fault.Conflict, fault.CodeOf(err))

	w.source.beforePage = nil
	w.finished(syncrun.Start{Method: syncrun.DoPull})
	require.Len(t, w.records(), 40)
}

// A process that shuts down leaves its run to another, at once.
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

// The answer to a push is lost: the row is there, and the next run finds it
// rather than making another.
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

// Between the lost answer and the next run people go on: they edit and delete
// what was sent, and ask for a pull only.
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
	require.True(t, run.Results[0].Settle, "it finds out first what became of them")
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
