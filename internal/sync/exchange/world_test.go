package exchange_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/record/entity"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/store/drivertest"
	"github.com/headgate/headgate/internal/sync/definition"
	"github.com/headgate/headgate/internal/sync/exchange"
	"github.com/headgate/headgate/internal/sync/mapping"
	syncrun "github.com/headgate/headgate/internal/sync/run"
	"github.com/headgate/headgate/internal/sync/source"
	"github.com/headgate/headgate/internal/webhook/occurrence"
)

// world is a sync and the use cases that work on it.
type world struct {
	t       *testing.T
	rows    *exchange.Service
	runs    *syncrun.Service
	ents    *entity.Service
	docs    store.Docs
	source  *table
	now     time.Time
	changed []string // records
	status  int      // how often the sync's status changed
}

func newWorld(t *testing.T, change func(*definition.Sync)) *world {
	st := drivertest.SQLite(t)
	w := &world{t: t, source: newTable(), now: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)}
	now := func() time.Time { return w.now }
	ids := 0
	random := func() string { ids++; return fmt.Sprint("id-", ids) }
	kinds := source.NewRegistry(w.source.kind())
	w.docs = st
	outbox := &occurrence.Outbox{Subscribed: func(context.Context, string, string) bool { return true }, Stored: func() {}}
	w.ents = entity.New(entity.Options{Docs: st, Now: now, Outbox: outbox})
	defs := definition.New(definition.Options{Docs: st, Runs: syncrun.NewLedger(st, now), Kinds: kinds, Now: now, Random: random})
	w.runs = syncrun.New(syncrun.Options{Docs: st, Definitions: defs, Kinds: kinds, Log: slog.New(slog.DiscardHandler), Now: now, Random: random, Outbox: outbox})
	t.Cleanup(func() { require.NoError(t, w.runs.Close(context.Background())) })
	w.rows = exchange.New(exchange.Options{
		Docs: st, Definitions: defs, Kinds: kinds, Log: slog.New(slog.DiscardHandler), Now: now, Random: random,
		RecordsChanged: func(_ context.Context, _, _ string, ids []string) { w.changed = append(w.changed, ids...) },
		StatusChanged:  func(string) { w.status++ },
		Outbox:         outbox,
	})
	def := &definition.Sync{
		ID: "s", OrgID: "acme", Type: definition.Both,
		Datasource: source.Datasource{Type: "table", SelectedDatatypes: []string{"item"}},
		Mapping: map[string]*mapping.Type{"item": {
			Delete: &mapping.Delete{Field: "deleted", Equals: true},
			Fields: map[string]mapping.Field{
				"name":  {From: "name", Type: "string"},
				"value": {From: "value", Type: "number"},
			},
		}},
	}
	if change != nil {
		change(def)
	}
	_, err := defs.Create(t.Context(), def)
	require.NoError(t, err)
	return w
}

// receive pushes rows in, and returns the results.
func (w *world) receive(rows ...map[string]any) (results []string) {
	w.t.Helper()
	out, err := w.rows.Receive(w.t.Context(), "s", "", rows)
	require.NoError(w.t, err)
	require.Len(w.t, out, len(rows))
	for i, r := range out {
		require.Equal(w.t, i, r.Index)
		results = append(results, r.Result)
	}
	return results
}

// requireTold requires that every version of every record was told exactly once to those who
// subscribed, and nothing else.
func (w *world) requireTold() {
	w.t.Helper()
	var told, want []string
	docs, err := w.docs.List(w.t.Context(), store.Listing{Collection: occurrence.Collection, ByOrder: true, Limit: 1000})
	require.NoError(w.t, err)
	for _, d := range docs {
		e, err := occurrence.Parse(d)
		require.NoError(w.t, err)
		require.Equal(w.t, []string{occurrence.Records, "acme/item"}, []string{e.Type, e.Subject})
		var data struct{ Records []occurrence.Changed }
		require.NoError(w.t, json.Unmarshal(e.Data, &data))
		for _, c := range data.Records {
			told = append(told, fmt.Sprintf("%s@%d", c.ID, c.Version))
		}
	}
	all, _, err := w.ents.List(w.t.Context(), "acme", "item", "", 1000, true)
	require.NoError(w.t, err)
	for _, e := range all {
		for v := range e.Version {
			want = append(want, fmt.Sprintf("%s@%d", e.ID, v+1))
		}
	}
	require.ElementsMatch(w.t, want, told)
}

func (w *world) put(id string, data map[string]any) {
	w.t.Helper()
	w.now = w.now.Add(time.Minute)
	_, _, err := w.ents.Put(w.t.Context(), "acme", "item", id, data, "", false)
	require.NoError(w.t, err)
}

func (w *world) data(id string) map[string]any {
	w.t.Helper()
	e, err := w.ents.Get(w.t.Context(), "acme", "item", id)
	require.NoError(w.t, err)
	var data map[string]any
	require.NoError(w.t, json.Unmarshal(e.Data, &data))
	return data
}

// table is a source in memory: rows by id. It refuses rows by their name.
type table struct {
	rows   map[string]map[string]any
	pushed int
}

func newTable() *table { return &table{rows: map[string]map[string]any{}} }

func (s *table) kind() source.Kind {
	return source.Kind{
		Name:  "table",
		Check: func(source.Datasource) []fault.Detail { return nil },
		Open:  func(context.Context, source.Datasource, source.Env) (source.Source, error) { return s, nil },
	}
}

func (s *table) PushSize() int { return 2 }

func (s *table) Close() error { return nil }

// tableReader returns all rows in one page.
type tableReader struct {
	s    *table
	done bool
}

func (s *table) Pull(context.Context, source.Pull) (source.Reader, error) {
	return &tableReader{s: s}, nil
}

func (r *tableReader) Close() error { return nil }

func (r *tableReader) Next(context.Context) (source.Page, error) {
	if r.done {
		return source.Page{}, io.EOF
	}
	r.done = true
	page := source.Page{Resume: json.RawMessage(`1`)}
	for _, id := range slices.Sorted(maps.Keys(r.s.rows)) {
		page.Rows = append(page.Rows, source.RowOf(r.s.rows[id]))
	}
	return page, nil
}

func (s *table) Push(_ context.Context, _ source.Spec, changes []source.Change) ([]source.Result, error) {
	out := make([]source.Result, len(changes))
	for i, c := range changes {
		id := fmt.Sprint(c.Key[0])
		s.pushed++
		switch {
		case c.Fields["name"] == "refused":
			out[i].Err = fault.New(fault.Invalid, "no such name")
		case c.Op == source.Delete:
			delete(s.rows, id)
		default:
			row := maps.Clone(c.Fields)
			row["id"] = id
			s.rows[id] = row
		}
	}
	return out, nil
}
