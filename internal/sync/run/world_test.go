package run_test

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/meter"
	"github.com/headgate/headgate/internal/platform/meter/metertest"
	"github.com/headgate/headgate/internal/record"
	"github.com/headgate/headgate/internal/record/entity"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/store/sqlitestore"
	"github.com/headgate/headgate/internal/sync/definition"
	"github.com/headgate/headgate/internal/sync/exchange"
	"github.com/headgate/headgate/internal/sync/mapping"
	syncrun "github.com/headgate/headgate/internal/sync/run"
	"github.com/headgate/headgate/internal/sync/source"
)

// world is a store, a source and a sync between them.
type world struct {
	t     testing.TB
	store interface {
		store.Docs
		Close() error
	}
	defs   *definition.Service
	svc    *syncrun.Service
	rows   *exchange.Service
	ents   *entity.Service
	source *memory
	kinds  source.Registry
	clock  atomic.Int64 // microseconds
	ids    atomic.Int64
	slept  atomic.Int64 // pauses of runs
	def    *definition.Sync
	log    lines
	meter  metertest.Recorder
}

func newWorld(t testing.TB, change func(*definition.Sync)) *world {
	return newWorldOf(t, nil, change)
}

// newWorldOf is newWorld with other kinds of source.
func newWorldOf(t testing.TB, kinds source.Registry, change func(*definition.Sync)) *world {
	st, err := sqlitestore.Open(context.Background(), filepath.Join(t.TempDir(), "test.db"))
	require.NoError(t, err)
	w := &world{t: t, store: st}
	t.Cleanup(func() { require.NoError(t, st.Close()) })
	w.define(kinds, change)
	return w
}

// define stores the sync. kinds are the kinds of source; nil: memory.
func (w *world) define(kinds source.Registry, change func(*definition.Sync)) {
	t := w.t
	w.clock.Store(time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC).UnixMicro())
	w.source = newMemory(w.now)
	w.ents = entity.New(entity.Options{Docs: w.store, Now: w.now})
	if w.kinds = kinds; kinds == nil {
		w.kinds = source.NewRegistry(w.source.kind())
	}
	kinds = w.kinds
	w.defs = definition.New(definition.Options{
		Docs: w.store, Runs: w.ledger(), Kinds: kinds, Now: w.now, Random: w.id,
	})
	w.rows = exchange.New(exchange.Options{Docs: w.store, Definitions: w.defs, Kinds: kinds, Now: w.now, Random: w.id})
	w.svc = w.service()
	w.def = &definition.Sync{
		ID: "s", OrgID: "acme", Type: definition.Both,
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
	_, err := w.defs.Create(t.Context(), &def)
	require.NoError(t, err)
}

func (w *world) ledger() *syncrun.Ledger {
	l := syncrun.NewLedger(w.store, w.now)
	l.Log, l.Meter = w.log.logger(), meter.New(&w.meter)
	return l
}

func (w *world) id() string { return fmt.Sprintf("run-%06d", w.ids.Add(1)) }

// service returns the service of another process on the same store.
func (w *world) service() *syncrun.Service { return w.serviceOn(w.store) }

func (w *world) serviceOn(docs store.Docs) *syncrun.Service { return w.serviceWith(docs, nil) }

func (w *world) serviceWith(docs store.Docs, change func(*syncrun.Options)) *syncrun.Service {
	docs = store.Coded(docs) // as in a deployment
	kinds := w.kinds
	o := syncrun.Options{
		Docs: docs, Kinds: kinds, Env: source.Env{HTTP: http.DefaultClient, Now: w.now, Secret: func(_ context.Context, v, _ string) (string, error) { return v, nil }}, Log: w.log.logger(), Now: w.now, Random: w.id, Sleep: w.sleep, Meter: meter.New(&w.meter),
		Definitions: definition.New(definition.Options{
			Docs: docs, Runs: syncrun.NewLedger(docs, w.now), Kinds: kinds, Now: w.now, Random: w.id,
		}),
	}
	if change != nil {
		change(&o)
	}
	s := syncrun.New(o)
	w.t.Cleanup(func() { require.NoError(w.t, s.Close(context.Background())) })
	return s
}

func (w *world) now() time.Time { return time.UnixMicro(w.clock.Load()).UTC() }

// sleep is the pause of a run: the clock moves at once.
func (w *world) sleep(ctx context.Context, d time.Duration) error {
	w.slept.Add(1)
	w.wait(d)
	return context.Cause(ctx)
}

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

// records returns the data of the records that are not deleted, by id.
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

// holdFirstPage makes the source hold back its first page until open is called.
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

// everything returns the revisions of all documents that a run writes.
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

// idling has a service start runs, and work on none.
func idling(o *syncrun.Options) {
	o.Dispatch = func(context.Context, string, string) error { return nil }
}
