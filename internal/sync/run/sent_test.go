package run_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/sync/definition"
	syncrun "github.com/headgate/headgate/internal/sync/run"
	"github.com/headgate/headgate/internal/sync/source"
)

// losses are the ways in which a push reaches the source and its answer is lost.
var losses = map[string]func(w *world){
	"a part is answered, and then the source fails": func(w *world) {
		w.source.partly = func(i int) (written, answered bool) { return i < 3, i < 3 }
		require.Equal(w.t, syncrun.Failed, w.run(syncrun.Start{}).State)
	},
	"the answer about one row is lost": func(w *world) {
		w.source.partly = func(i int) (written, answered bool) { return true, i < 3 }
		require.Equal(w.t, syncrun.Failed, w.run(syncrun.Start{}).State)
	},
	"the answer is lost": func(w *world) {
		w.source.afterPush = func() error { return errAway }
		require.Equal(w.t, syncrun.Failed, w.run(syncrun.Start{}).State)
	},
	"the process is killed": func(w *world) { w.killedDuringPush() },
}

// killedDuringPush runs the sync in a process that dies after the source has written and
// before it answers. Its lease expires.
func (w *world) killedDuringPush() {
	docs := &dyingStore{Docs: w.store}
	docs.left.Store(1 << 30)
	doomed := w.serviceOn(docs)
	w.source.duringPush = func([]source.Change) { docs.left.Store(-1) }
	if _, err := doomed.Start(context.Background(), "s", syncrun.Start{}); err == nil {
		_ = doomed.Close(context.Background()) // waits for its end
	}
	w.wait(time.Minute)
}

// heals makes the source work again.
func (w *world) heals() {
	w.source.partly, w.source.afterPush, w.source.beforePush, w.source.duringPush = nil, nil, nil, nil
	w.wait(time.Minute)
}

// unanswered returns how many documents of unanswered changes there are.
func (w *world) unanswered() int {
	w.t.Helper()
	n, err := w.store.CountDocs(context.Background(), store.Collection{Kind: "state", Scope: "sent/s/item"}, 100)
	require.NoError(w.t, err)
	return n
}

// The answer to a push, or to a part of it, is lost. The pushed values do not overwrite
// what people do afterwards, and their changes reach the source, under every rule.
func TestWhatWasPushedDoesNotComeBackOverALaterEdit(t *testing.T) {
	t.Parallel()
	type sides struct{ here, there map[string]any }
	edited := map[string]any{"name": "B", "note": "x"}
	for name, c := range map[string]struct {
		before func(w *world, id string) // makes the push whose answer is lost
		after  func(w *world, id string) // what people do then
		want   map[string]any            // nil: the record is gone
	}{
		"edited twice": {
			before: func(w *world, id string) { w.put(id, map[string]any{"name": "A", "note": "x"}) },
			after:  func(w *world, id string) { w.put(id, edited) }, want: edited,
		},
		"edited and not touched again": {
			before: func(w *world, id string) { w.put(id, edited) }, after: func(*world, string) {}, want: edited,
		},
		"edited and put back": {
			before: func(w *world, id string) { w.put(id, map[string]any{"name": "A"}) },
			after:  func(w *world, id string) { w.put(id, map[string]any{"name": "first", "note": "x"}) }, want: map[string]any{"name": "first", "note": "x"},
		},
		"a field is removed, and set again": {
			before: func(w *world, id string) { w.put(id, map[string]any{"name": "first"}) },
			after:  func(w *world, id string) { w.put(id, edited) }, want: edited,
		},
		"edited, and then deleted": {
			before: func(w *world, id string) { w.put(id, map[string]any{"name": "A"}) },
			after:  func(w *world, id string) { w.remove(id) },
		},
		"deleted, and made anew": {
			before: func(w *world, id string) { w.remove(id) },
			after:  func(w *world, id string) { w.put(id, edited) }, want: edited,
		},
		"deleted, and made anew unchanged": {
			before: func(w *world, id string) { w.remove(id) },
			after:  func(w *world, id string) { w.put(id, map[string]any{"name": "first", "note": "x"}) }, want: map[string]any{"name": "first", "note": "x"},
		},
		"long values": {
			before: func(w *world, id string) { w.put(id, map[string]any{"name": strings.Repeat("A", 10_000), "note": "y"}) },
			after:  func(w *world, id string) { w.put(id, edited) }, want: edited,
		},
	} {
		for loss, lose := range losses {
			for _, kind := range []string{"", "blind", "silent"} {
				for _, rule := range []definition.Rule{definition.SourceWins, definition.Manual} {
					if name == "long values" && kind == "silent" {
						continue // only a pull can compare digests
					}
					if rule == definition.Manual && kind != "" {
						continue // the rule does not affect the sent changes
					}
					t.Run(fmt.Sprint(name, "/", loss, "/", kind, "/", rule), func(t *testing.T) {
						t.Parallel()
						w := newWorld(t, func(s *definition.Sync) {
							s.Conflict, s.MaxDeletes = rule, new(100.0)
						})
						w.source.blind, w.source.silent = kind == "blind", kind == "silent"
						ids := []string{"a", "b", "c", "d", "e"}
						for _, id := range ids {
							w.source.put(id, map[string]any{"name": "first", "note": "x"})
						}
						w.finished(syncrun.Start{})
						w.wait(time.Hour)
						for _, id := range ids {
							c.before(w, id)
						}
						lose(w)
						w.heals()
						for _, id := range ids {
							c.after(w, id)
						}
						for range 3 {
							require.Equal(t, syncrun.Finished, w.run(syncrun.Start{}).State)
							w.wait(time.Minute)
						}
						there, here := withoutID(w.source.live()), w.records()
						for _, id := range ids {
							require.Equal(t, sides{c.want, c.want}, sides{here[id], there[id]}, id)
						}
						require.Zero(t, w.unanswered())
						require.Zero(t, w.finished(syncrun.Start{}).Counts.Updated, "both sides are equal")
						list, _, err := w.svc.Conflicts(t.Context(), "s", "", 10)
						require.NoError(t, err)
						require.Empty(t, list, "our own values are no conflict")
					})
				}
			}
		}
	}
}

func (w *world) remove(id string) {
	w.t.Helper()
	require.NoError(w.t, w.ents.Delete(context.Background(), "acme", "item", id, ""))
}

// A row whose creation was not answered is still matched with its record.
func TestACreationOfWhichNobodyHeardIsOurs(t *testing.T) {
	t.Parallel()
	for loss, lose := range losses {
		t.Run(loss, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			ids := []string{"a", "b", "c", "d", "e", "f"}
			for _, id := range ids {
				w.put(id, map[string]any{"name": "A"})
			}
			lose(w)
			w.heals()
			for i, id := range ids {
				if i%2 == 0 {
					w.put(id, map[string]any{"name": "B"})
				} else {
					w.remove(id)
				}
			}
			for range 3 {
				w.finished(syncrun.Start{})
				w.wait(time.Minute)
			}
			want := map[string]map[string]any{"a": {"name": "B"}, "c": {"name": "B"}, "e": {"name": "B"}}
			require.Equal(t, want, w.records())
			require.Equal(t, want, withoutID(w.source.live()))
			require.Zero(t, w.unanswered())
		})
	}
}

// A settled change is forgotten: if the source sets the same value later, that is its own
// change.
func TestWhatIsSettledIsForgotten(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.source.put("a", map[string]any{"name": "first"})
	w.finished(syncrun.Start{})
	w.wait(time.Hour)
	w.put("a", map[string]any{"name": "A"})
	w.source.afterPush = func() error { return errAway }
	require.Equal(t, syncrun.Failed, w.run(syncrun.Start{}).State)
	require.Equal(t, 1, w.unanswered())
	w.heals()
	w.put("a", map[string]any{"name": "B"})
	w.finished(syncrun.Start{})
	require.Zero(t, w.unanswered())
	w.wait(time.Hour)
	w.put("a", map[string]any{"name": "C"})
	w.source.put("a", map[string]any{"name": "A"})
	require.Equal(t, int64(1), w.finished(syncrun.Start{}).Counts.Conflicts)
	require.Equal(t, "A", w.records()["a"]["name"])
}

// A source that pushes its changes to us sends ours back as well, even before it has
// answered our push.
func TestARowThatComesBackWhileItIsPushedIsOurs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.source.put("a", map[string]any{"name": "first"})
	w.finished(syncrun.Start{})
	w.wait(time.Hour)
	w.put("a", map[string]any{"name": "A"})
	w.source.duringPush = func([]source.Change) {
		w.put("a", map[string]any{"name": "B"})
		_, err := w.rows.Receive(context.Background(), "s", "item", []map[string]any{{"id": "a", "name": "A", "deleted": false}})
		require.NoError(t, err)
	}
	w.run(syncrun.Start{})
	w.heals()
	w.finished(syncrun.Start{})
	require.Equal(t, "B", w.records()["a"]["name"])
	require.Equal(t, "B", w.source.live()["a"]["name"])
	require.Zero(t, w.unanswered())
}

// A push that fails halfway counts the changes that were answered.
func TestAPartlyAnsweredPushIsCounted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for i := range 7 {
		w.put(fmt.Sprint("r", i), map[string]any{"name": "A"})
	}
	w.source.partly = func(i int) (written, answered bool) { return i < 6, i < 6 }
	run := w.run(syncrun.Start{})
	require.Equal(t, syncrun.Failed, run.State)
	require.Equal(t, int64(6), run.Counts.Created)
	w.heals()
	require.Equal(t, int64(1), w.finished(syncrun.Start{}).Counts.Created)
	require.Equal(t, 7, w.source.pushes)
}

// counting counts writes, by kind and scope.
type counting struct {
	store.Docs
	mu              sync.Mutex
	commits, writes int
	of              map[string]int
}

func (c *counting) Commit(ctx context.Context, writes []store.Write) ([]string, error) {
	c.mu.Lock()
	c.commits++
	for _, w := range writes {
		c.writes++
		kind, _, _ := strings.Cut(w.Collection.Scope, "/")
		c.of[w.Collection.Kind+" "+kind]++
	}
	c.mu.Unlock()
	return c.Docs.Commit(ctx, writes)
}

// A batch is kept as one document, however many records it has, before it is sent: by the
// commit that records the outcome of the batch before.
func TestWhatIsKeptOfAPushIsOneDocumentABatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	const records, batches = 70, 10
	for i := range records {
		w.source.put(fmt.Sprintf("r%03d", i), map[string]any{"name": "first"})
	}
	w.finished(syncrun.Start{})
	w.wait(time.Hour)
	for i := range records {
		w.put(fmt.Sprintf("r%03d", i), map[string]any{"name": "second"})
	}
	docs := &counting{Docs: w.store, of: map[string]int{}}
	w.svc = w.serviceOn(docs)
	w.source.duringPush = w.storedBefore
	require.Equal(t, int64(records), w.finished(syncrun.Start{Method: syncrun.DoPush}).Counts.Updated)
	t.Logf("%d records, %d batches: %d commits, %d writes, %v", records, batches, docs.commits, docs.writes, docs.of)
	require.Equal(t, records, docs.of["records acme"])
	require.Equal(t, 2*batches, docs.of["state sent"], "one write keeps the batch, and one forgets it")
	require.Less(t, docs.commits, 2*batches, "a batch is kept together with the outcome of the one before")
}

// storedBefore fails unless the changes that reach the source are stored as unanswered.
func (w *world) storedBefore(changes []source.Change) {
	sent, err := syncrun.ReadSent(context.Background(), store.Coded(w.store), "s", "item")
	require.NoError(w.t, err)
	for _, c := range changes {
		require.Len(w.t, sent.Of(c.ID), 1, "%s was not stored before it was sent", c.ID)
	}
}

// A record is edited while its batch is sent, so that the outcome of the batch cannot be one
// commit. The batch after it is stored before it is sent all the same, and nothing is left in
// doubt.
func TestTheBatchAfterAnEditedOneIsStoredBeforeItIsSent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	const records = 20
	for i := range records {
		w.put(fmt.Sprintf("r%03d", i), map[string]any{"name": "first"})
	}
	pushes := 0
	w.source.duringPush = func(changes []source.Change) {
		w.storedBefore(changes)
		if pushes++; pushes <= 2 {
			w.put(changes[0].ID, map[string]any{"name": "edited"})
		}
	}
	require.Equal(t, int64(records), w.finished(syncrun.Start{Method: syncrun.DoPush}).Counts.Created)
	require.Equal(t, 3, pushes)
	require.Zero(t, w.unanswered())
	w.wait(time.Hour)
	require.Equal(t, int64(2), w.finished(syncrun.Start{Method: syncrun.DoPush}).Counts.Updated)
	require.Zero(t, w.unanswered())
}
