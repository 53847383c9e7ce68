package run_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/store"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

// stoppable is the store of a process that can be stopped, as by SIGSTOP. While the process
// is stopped, it makes no commit.
type stoppable struct {
	store.Docs
	mu      sync.Mutex
	stopped chan struct{} // closed when the process resumes; nil: it runs
}

func (s *stoppable) stop() (goOn func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = make(chan struct{})
	return sync.OnceFunc(func() { close(s.stopped) })
}

func (s *stoppable) Commit(ctx context.Context, writes []store.Write) ([]string, error) {
	s.mu.Lock()
	stopped := s.stopped
	s.mu.Unlock()
	if stopped != nil {
		<-stopped
	}
	return s.Docs.Commit(ctx, writes)
}

// stoppedBefore starts a run of a process that is stopped right before its n-th push.
func (w *world) stoppedBefore(n int) (run *syncrun.Run, asleep *syncrun.Service, goOn func()) {
	w.t.Helper()
	docs := &stoppable{Docs: w.store}
	asleep = w.serviceOn(docs)
	reached, pushes := make(chan struct{}), 0
	var goOnAll func()
	hold := make(chan struct{})
	w.source.beforePush = func() error {
		if pushes++; pushes == n {
			goOnAll = docs.stop()
			close(reached)
			<-hold
		}
		return nil
	}
	run, err := asleep.Start(context.Background(), "s", syncrun.Start{})
	require.NoError(w.t, err)
	<-reached
	w.source.beforePush = nil
	goOn = sync.OnceFunc(func() { goOnAll(); close(hold) })
	w.t.Cleanup(goOn)
	return run, asleep, goOn
}

// A process is stopped in the middle of a push. Another process takes the run over, people
// edit, and their edits are pushed. Then the first process resumes. Its changes are stale:
// it sends none of them, not even creations, and no acknowledged edit is lost.
func TestAStoppedHolderPushesNothing(t *testing.T) {
	t.Parallel()
	for n := 1; n <= 4; n++ {
		t.Run(fmt.Sprint("before push ", n), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			for i := range 14 {
				w.source.put(fmt.Sprintf("r%02d", i), map[string]any{"name": "first"})
			}
			w.finished(syncrun.Start{})
			w.wait(time.Hour)
			for i := range 24 {
				w.put(fmt.Sprintf("r%02d", i), map[string]any{"name": "second"})
			}
			run, asleep, goOn := w.stoppedBefore(n)
			w.wait(time.Minute)
			_, taken, err := w.svc.Due(t.Context())
			require.NoError(t, err)
			require.Equal(t, 1, taken)
			taker, err := w.svc.Wait(context.Background(), "s", run.ID, nil)
			require.NoError(t, err)
			require.Equal(t, syncrun.Finished, taker.State)
			for i := range 24 { // back to what it was: the stale write would be no change by others
				w.put(fmt.Sprintf("r%02d", i), map[string]any{"name": "first"})
			}
			w.wait(time.Hour)
			w.finished(syncrun.Start{})
			before, there := w.everything(), w.source.live()

			goOn()
			require.NoError(t, asleep.Close(context.Background()))
			require.Equal(t, before, w.everything(), "nothing is counted")
			require.Equal(t, there, w.source.live(), "nothing is sent")
			w.wait(time.Hour)
			w.finished(syncrun.Start{})
			for id, data := range w.records() {
				require.Equal(t, "first", data["name"], id)
			}
		})
	}
}

// A process was stopped for long, but no other process took the run over. It finds that out
// and continues.
func TestAStoppedHolderThatNobodyReplacedGoesOn(t *testing.T) {
	t.Parallel()
	for _, jump := range []time.Duration{time.Hour, -time.Hour} {
		t.Run(jump.String(), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			for i := range 24 {
				w.put(fmt.Sprintf("r%02d", i), map[string]any{"name": "first"})
			}
			run, _, goOn := w.stoppedBefore(2)
			w.wait(jump)
			goOn()
			run, err := w.svc.Wait(context.Background(), "s", run.ID, nil)
			require.NoError(t, err)
			require.Equal(t, syncrun.Finished, run.State, "%q", run.Errors)
			require.Equal(t, 1, run.Invocations)
			require.Len(t, w.source.live(), 24)
		})
	}
}

// While the store cannot be reached, the process does not know whether it still holds the
// run, so it sends nothing.
func TestNothingIsSentWhileTheLeaseIsInDoubt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for i := range 24 {
		w.put(fmt.Sprintf("r%02d", i), map[string]any{"name": "first"})
	}
	docs := &dyingStore{Docs: w.store}
	docs.left.Store(1 << 30)
	cut := w.serviceOn(docs)
	pushes, reached := 0, make(chan struct{})
	w.source.beforePush = func() error {
		if pushes++; pushes == 2 {
			w.wait(time.Minute)
			docs.left.Store(-2)
			close(reached)
		}
		return nil
	}
	run, err := cut.Start(context.Background(), "s", syncrun.Start{Method: syncrun.DoPush})
	require.NoError(t, err)
	<-reached
	_ = cut.Close(context.Background())
	w.source.beforePush = nil
	require.Len(t, w.source.live(), 7, "the first batch")
	w.takeOver()
	run, err = w.svc.Run(t.Context(), "s", run.ID)
	require.NoError(t, err)
	require.Equal(t, syncrun.Finished, run.State)
	require.Len(t, w.source.live(), 24)
}
