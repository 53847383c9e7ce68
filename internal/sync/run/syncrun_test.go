package run_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/record"
	"github.com/headgate/headgate/internal/record/entity"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/store/sqlitestore"
	"github.com/headgate/headgate/internal/sync/mapping"
	"github.com/headgate/headgate/internal/sync/source"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

// world is a store, a source and a sync between them.
type world struct {
	t     testing.TB
	store interface {
		store.Docs
		Close() error
	}
	svc    *syncrun.Service
	ents   *entity.Service
	source *memory
	clock  atomic.Int64 // microseconds
	ids    atomic.Int64
	def    *syncrun.Sync
}

func newWorld(t testing.TB, change func(*syncrun.Sync)) *world {
	st, err := sqlitestore.Open(context.Background(), filepath.Join(t.TempDir(), "test.db"))
	require.NoError(t, err)
	w := &world{t: t, store: st}
	t.Cleanup(func() { require.NoError(t, st.Close()) })
	w.define(change)
	return w
}

func (w *world) define(change func(*syncrun.Sync)) {
	t := w.t
	w.clock.Store(time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC).UnixMicro())
	w.source = newMemory(w.now)
	w.ents = entity.New(entity.Options{Docs: w.store, Now: w.now})
	w.svc = w.service()
	w.def = &syncrun.Sync{
		ID: "s", OrgID: "acme", Type: syncrun.Both,
		Datasource: source.Datasource{Type: "memory", SelectedDatatypes: []string{"item"}},
		Mapping: map[string]*mapping.Type{"item": {
			Cursor: &mapping.Cursor{Time: "updated_at", Overlap: "1m", Margin: "10s"},
			Delete: &mapping.Delete{Field: "deleted", Equals: true},
			Fields: map[string]mapping.Field{
				"name":  {From: "name", Type: "string"},
				"value": {From: "value", Type: "number"},
				"note":  {From: "note", Type: "string"},
			},
		}},
	}
	if change != nil {
		change(w.def)
	}
	def := *w.def
	_, err := w.svc.CreateSync(t.Context(), &def)
	require.NoError(t, err)
}

// service is a process's.
func (w *world) service() *syncrun.Service { return w.serviceOn(w.store) }

func (w *world) serviceOn(docs store.Docs) *syncrun.Service { return w.serviceWith(docs, nil) }

func (w *world) serviceWith(docs store.Docs, change func(*syncrun.Options)) *syncrun.Service {
	o := syncrun.Options{
		Docs: docs, Kinds: source.NewRegistry(w.source.kind()), Log: slog.New(slog.DiscardHandler), Now: w.now,
		Random: func() string { return fmt.Sprintf("run-%06d", w.ids.Add(1)) },
	}
	if change != nil {
		change(&o)
	}
	s := syncrun.New(o)
	w.t.Cleanup(func() { require.NoError(w.t, s.Close(context.Background())) })
	return s
}

func (w *world) now() time.Time { return time.UnixMicro(w.clock.Load()).UTC() }

func (w *world) wait(d time.Duration) { w.clock.Add(d.Microseconds()) }

// run runs the sync to its end.
func (w *world) run(o syncrun.Start) *syncrun.Run {
	w.t.Helper()
	run, err := w.svc.Start(context.Background(), "s", o)
	require.NoError(w.t, err)
	run, err = w.svc.Wait(context.Background(), "s", run.ID, nil)
	require.NoError(w.t, err)
	return run
}

func (w *world) finished(o syncrun.Start) *syncrun.Run {
	w.t.Helper()
	run := w.run(o)
	require.Equal(w.t, syncrun.Finished, run.State, "%q", run.Errors)
	return run
}

func (w *world) put(id string, data map[string]any) {
	w.t.Helper()
	_, _, err := w.ents.Put(context.Background(), "acme", "item", id, data, "", false)
	require.NoError(w.t, err)
}

// records are the live ones' data, by id.
func (w *world) records() map[string]map[string]any {
	w.t.Helper()
	out := map[string]map[string]any{}
	for after := ""; ; {
		list, next, err := w.ents.List(context.Background(), "acme", "item", after, 100, false)
		require.NoError(w.t, err)
		for _, e := range list {
			data, err := record.Decode(e.Data)
			require.NoError(w.t, err)
			out[e.ID] = data
		}
		if after = next; next == "" {
			return out
		}
	}
}

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

	// Again: what the overlap re-reads changes nothing.
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

func TestPushAndNoEcho(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.put("a", map[string]any{"name": "from here", "value": 1})
	w.source.put("b", map[string]any{"name": "from there", "value": 2})
	run := w.finished(syncrun.Start{})
	require.Equal(t, int64(2), run.Counts.Created) // one each way
	require.Equal(t, "from here", w.source.live()["a"]["name"])
	require.Equal(t, 1, w.source.pushes)

	for range 3 { // what was pushed comes back, and goes no further
		w.wait(time.Second)
		run = w.finished(syncrun.Start{})
		require.Zero(t, run.Counts.Created+run.Counts.Updated+run.Counts.Deleted)
	}
	require.Equal(t, 1, w.source.pushes)
	e, err := w.ents.Get(t.Context(), "acme", "item", "a")
	require.NoError(t, err)
	require.Equal(t, int64(1), e.Version)
}

// Both sides edit one record: disjoint fields merge, and both sides have both.
func TestDisjointEditsMerge(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.source.put("a", map[string]any{"name": "n", "value": 1, "note": "x"})
	w.finished(syncrun.Start{})
	w.wait(time.Hour)
	w.source.put("a", map[string]any{"value": 2})
	_, err := w.ents.Patch(t.Context(), "acme", "item", "a", map[string]any{"name": "edited"}, "")
	require.NoError(t, err)
	run := w.finished(syncrun.Start{})
	require.Zero(t, run.Counts.Conflicts)
	want := map[string]any{"name": "edited", "value": int64(2), "note": "x"}
	require.Equal(t, want, w.records()["a"])
	require.Equal(t, "edited", w.source.live()["a"]["name"])
	require.Equal(t, "2", fmt.Sprint(w.source.live()["a"]["value"]))
}

func TestConflictRules(t *testing.T) {
	t.Parallel()
	for rule, want := range map[syncrun.Rule]string{
		syncrun.SourceWins: "theirs", syncrun.StoreWins: "ours", syncrun.Newest: "ours",
	} {
		t.Run(string(rule), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(s *syncrun.Sync) { s.Conflict = rule })
			w.source.put("a", map[string]any{"name": "n"})
			w.finished(syncrun.Start{})
			w.wait(time.Hour)
			w.source.put("a", map[string]any{"name": "theirs"})
			w.wait(time.Second)
			w.put("a", map[string]any{"name": "ours"})
			w.finished(syncrun.Start{})
			require.Equal(t, want, w.records()["a"]["name"])
			require.Equal(t, want, w.source.live()["a"]["name"])
		})
	}
}

func TestManualConflict(t *testing.T) {
	t.Parallel()
	for _, choice := range []string{"source", "store"} {
		t.Run(choice, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(s *syncrun.Sync) { s.Conflict = syncrun.Manual })
			w.source.put("a", map[string]any{"name": "n", "value": 1})
			w.finished(syncrun.Start{})
			w.wait(time.Hour)
			w.source.put("a", map[string]any{"name": "theirs"})
			w.put("a", map[string]any{"name": "ours", "value": 2})
			run := w.finished(syncrun.Start{})
			require.Equal(t, int64(1), run.Counts.Conflicts)
			require.Equal(t, "ours", w.records()["a"]["name"], "the store keeps its value until somebody decides")
			require.Equal(t, "theirs", w.source.live()["a"]["name"], "and so does the source")
			require.Equal(t, "2", fmt.Sprint(w.source.live()["a"]["value"]), "the other fields move")

			list, _, err := w.svc.Conflicts(t.Context(), "s", "", 10)
			require.NoError(t, err)
			require.Len(t, list, 1)
			require.Equal(t, []syncrun.FieldConflict{{Field: "name", Base: "n", Store: "ours", Source: "theirs"}}, list[0].Fields)

			w.wait(time.Second)
			left, err := w.svc.Decide(t.Context(), "s", "item", "a", syncrun.Decision{Choose: choice})
			require.NoError(t, err)
			require.Nil(t, left)
			w.finished(syncrun.Start{})
			want := map[string]string{"source": "theirs", "store": "ours"}[choice]
			require.Equal(t, want, w.records()["a"]["name"])
			require.Equal(t, want, w.source.live()["a"]["name"])
			list, _, err = w.svc.Conflicts(t.Context(), "s", "", 10)
			require.NoError(t, err)
			require.Empty(t, list)
		})
	}
}

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

// A source that loses most of its rows stops the run, and a person who means it
// can say so.
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

func TestRejects(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *syncrun.Sync) { s.Type = syncrun.Pull })
	for i := range 9 {
		w.source.put(fmt.Sprint("r", i), map[string]any{"value": i})
	}
	w.source.put("bad", map[string]any{"value": "abc"})
	run := w.run(syncrun.Start{})
	require.Equal(t, syncrun.Partial, run.State)
	require.Equal(t, int64(1), run.Counts.Rejected)
	require.Len(t, w.records(), 9)
	list, _, err := w.svc.Rejects(t.Context(), "s", "", 10)
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, "bad", list[0].Key)
	require.Equal(t, "value", list[0].Field)
	require.Contains(t, list[0].Reason, "not a number")
	require.Equal(t, 1, list[0].Count)

	w.wait(time.Second)
	run = w.run(syncrun.Start{Retry: true}) // still bad
	require.Equal(t, syncrun.Partial, run.State)
	list, _, err = w.svc.Rejects(t.Context(), "s", "", 10)
	require.NoError(t, err)
	require.Equal(t, 2, list[0].Count)

	def := *w.def // the mapping was wrong, not the row
	fields := maps.Clone(def.Mapping["item"].Fields)
	fields["value"] = mapping.Field{From: "value"}
	m := *def.Mapping["item"]
	m.Fields = fields
	def.Mapping = map[string]*mapping.Type{"item": &m}
	_, err = w.svc.UpdateSync(t.Context(), "s", &def, "")
	require.NoError(t, err)
	run = w.finished(syncrun.Start{Retry: true})
	require.Equal(t, int64(1), run.Counts.Created)
	require.Equal(t, "abc", w.records()["bad"]["value"])
	list, _, err = w.svc.Rejects(t.Context(), "s", "", 10)
	require.NoError(t, err)
	require.Empty(t, list)
}

func TestTooManyRejectsFail(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *syncrun.Sync) { s.Type = syncrun.Pull })
	for i := range 10 {
		w.source.put(fmt.Sprint("r", i), map[string]any{"value": "abc"})
	}
	run := w.run(syncrun.Start{})
	require.Equal(t, syncrun.Failed, run.State)
	require.Contains(t, run.Errors[0], "10 of 10 rows were rejected")
}

func TestValidateChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.source.put("a", map[string]any{"name": "n", "value": 1})
	w.finished(syncrun.Start{})
	w.wait(time.Hour)
	w.source.put("a", map[string]any{"value": 2})
	w.source.put("b", map[string]any{"value": 3})
	w.put("c", map[string]any{"name": "here"})
	before := w.records()
	run := w.finished(syncrun.Start{Method: syncrun.Validate})
	require.Equal(t, before, w.records())
	require.NotContains(t, w.source.live(), "c")
	require.Contains(t, run.Warnings, "Validated 2 items.")
	actions := map[string]string{}
	for _, c := range run.Plan {
		actions[string(c.Phase)+" "+c.ID] = c.Action
	}
	require.Equal(t, map[string]string{"pull a": "update", "pull b": "create", "push c": "create"}, actions)
	for _, c := range run.Plan {
		if c.ID == "a" {
			require.Equal(t, []syncrun.FieldChange{{Field: "value", Old: int64(1), New: int64(2)}}, normalised(c.Fields))
		}
	}
}

// normalised undoes what a trip through JSON does to numbers.
func normalised(fields []syncrun.FieldChange) []syncrun.FieldChange {
	for i := range fields {
		if f, ok := fields[i].Old.(float64); ok {
			fields[i].Old = int64(f)
		}
		if f, ok := fields[i].New.(float64); ok {
			fields[i].New = int64(f)
		}
	}
	return fields
}

func TestOneTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *syncrun.Sync) { s.IsOneTime = true; s.Type = syncrun.Pull })
	w.source.put("a", map[string]any{"name": "n"})
	w.finished(syncrun.Start{})
	_, err := w.svc.Start(t.Context(), "s", syncrun.Start{})
	require.Equal(t, fault.Conflict, fault.CodeOf(err))
}

// A source that chooses keys: the record keeps its id here, and is found again by
// the key that it has there.
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

// A source that chooses keys may choose one that a record here has for an id:
// they are two all the same.
func TestAChosenKeyThatIsAnID(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.source.chooses = true
	w.put("row-2", map[string]any{"name": "ours"})
	w.finished(syncrun.Start{}) // it is row-1 there
	w.source.put("row-2", map[string]any{"name": "theirs"})
	w.wait(time.Hour)
	w.finished(syncrun.Start{})
	require.Equal(t, map[string]map[string]any{"row-2": {"name": "ours"}, "row-2@s": {"name": "theirs"}}, w.records())
	w.wait(time.Hour)
	w.source.put("row-2", map[string]any{"name": "theirs, edited"})
	w.put("row-2", map[string]any{"name": "ours, edited"})
	w.finished(syncrun.Start{})
	require.Equal(t, "theirs, edited", w.records()["row-2@s"]["name"])
	require.Equal(t, "ours, edited", w.source.live()["row-1"]["name"])
	require.Len(t, w.source.live(), 2)

	out, err := w.svc.Receive(t.Context(), "s", "item", []map[string]any{{"id": "row-1", "name": "pushed in"}})
	require.NoError(t, err)
	require.Equal(t, "row-2", out[0].ID)
	require.Len(t, w.records(), 2)
}
