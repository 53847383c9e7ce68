package run_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store/drivertest"
	"github.com/headgate/headgate/internal/sync/definition"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

func onFirestore(t *testing.T, change func(*definition.Sync)) *world {
	w := &world{t: t, store: drivertest.Firestore(t)}
	w.define(nil, change)
	return w
}

// Firestore has smaller commits and other transactions than the embedded store.
func TestOnFirestore(t *testing.T) {
	t.Parallel()
	w := onFirestore(t, nil)
	for i := range 1200 { // more than a commit takes
		w.source.put(fmt.Sprintf("r%04d", i), map[string]any{"name": fmt.Sprint("n", i), "value": i})
	}
	run := w.finished(syncrun.Start{})
	require.Equal(t, int64(1200), run.Counts.Created)
	require.Len(t, w.records(), 1200)
	w.wait(time.Hour)
	w.source.put("r0007", map[string]any{"name": "changed there"})
	w.put("r0008", map[string]any{"name": "changed here", "value": 8})
	w.put("new", map[string]any{"name": "new here"})
	w.source.remove("r0009")
	require.NoError(t, w.ents.Delete(t.Context(), "acme", "item", "r0010", ""))
	w.finished(syncrun.Start{})
	require.Equal(t, "changed there", w.records()["r0007"]["name"])
	require.Equal(t, "changed here", w.source.live()["r0008"]["name"])
	require.Equal(t, "new here", w.source.live()["new"]["name"])
	require.NotContains(t, w.records(), "r0009")
	require.NotContains(t, w.source.live(), "r0010")
	w.wait(time.Hour)
	again := w.finished(syncrun.Start{})
	require.Zero(t, again.Counts.Created+again.Counts.Updated+again.Counts.Deleted)
}

func TestTakenOverOnFirestore(t *testing.T) {
	t.Parallel()
	for commits := range 6 {
		t.Run(fmt.Sprint(commits), func(t *testing.T) {
			t.Parallel()
			w := onFirestore(t, nil)
			w.source.chooses = true
			w.source.pageSize = 5
			for i := range 12 {
				w.source.put(fmt.Sprint("theirs-", i), map[string]any{"name": fmt.Sprint("n", i)})
				w.put(fmt.Sprint("ours-", i), map[string]any{"name": fmt.Sprint("m", i)})
			}
			docs := &dyingStore{Docs: w.store, lostAnswer: commits%2 == 0}
			docs.left.Store(int64(commits))
			doomed := w.serviceOn(docs)
			if _, err := doomed.Start(context.Background(), "s", syncrun.Start{}); err == nil {
				_ = doomed.Close(context.Background())
			}
			w.wait(time.Minute)
			w.takeOver()
			w.wait(time.Hour)
			w.finished(syncrun.Start{})
			require.Len(t, w.records(), 24)
			require.Len(t, w.source.live(), 24)
		})
	}
}

func TestOneStartWinsOnFirestore(t *testing.T) {
	t.Parallel()
	w := onFirestore(t, nil)
	_, open := w.holdFirstPage()
	services := []*syncrun.Service{w.svc, w.service()}
	var all sync.WaitGroup
	won := make(chan *syncrun.Run, 16)
	for i := range 16 {
		all.Go(func() {
			run, err := services[i%2].Start(context.Background(), "s", syncrun.Start{Method: syncrun.DoPull})
			if err == nil {
				won <- run
				return
			}
			require.Equal(t, fault.Conflict, fault.CodeOf(err), "%v", err)
		})
	}
	all.Wait()
	require.Len(t, won, 1)
	open()
	run, err := w.svc.Wait(context.Background(), "s", (<-won).ID, nil)
	require.NoError(t, err)
	require.Equal(t, syncrun.Finished, run.State)
}
