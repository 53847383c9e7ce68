package run_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/sync/definition"
	syncrun "github.com/headgate/headgate/internal/sync/run"
	"github.com/headgate/headgate/internal/sync/source"
	"github.com/headgate/headgate/internal/sync/source/apisource"
)

// restServer is a REST interface to a table. It gives new rows their ids, and knows a row
// again by its attempt.
type restServer struct {
	url string

	mu    sync.Mutex
	rows  map[string]map[string]any
	next  int
	calls []string // methods of the requests, and the names in their bodies
	// refuse answers a request instead of the table; false: the table answers.
	refuse func(w http.ResponseWriter, r *http.Request, names []string) bool
	sent   []map[string]any // rows in the body of the present request
}

// apiWorld is a sync of both directions with such a server. create holds more options of
// the creation.
func apiWorld(t *testing.T, create string, change func(*definition.Sync)) (*world, *restServer) {
	s := &restServer{rows: map[string]map[string]any{}}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	s.url = srv.URL
	w := newWorldOf(t, source.NewRegistry(apisource.Kind()), func(d *definition.Sync) {
		all := 1.0
		d.MaxRejected = &all
		d.Mapping["item"].Cursor, d.Mapping["item"].Delete = nil, nil
		d.Datasource = source.Datasource{Type: "api", URL: srv.URL + "/", SelectedDatatypes: []string{"item"}, Options: json.RawMessage(
			`{"list":"{type}","items":"rows","create":{"id":"id","attemptField":"ref"` + create + `},"update":{"url":"{type}/{id}"},"delete":{"url":"{type}/{id}"}}`)}
		if change != nil {
			change(d)
		}
	})
	return w, s
}

func (s *restServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	raw, _ := io.ReadAll(r.Body)
	sent := rowsIn(raw)
	s.sent = sent
	var names []string
	for _, row := range sent {
		names = append(names, fmt.Sprint(row["name"]))
	}
	s.calls = append(s.calls, strings.TrimSpace(r.Method+" "+strings.Join(names, ",")))
	if s.refuse != nil && s.refuse(w, r, names) {
		return
	}
	_, id, _ := strings.Cut(strings.Trim(r.URL.Path, "/"), "/")
	var answer any
	switch {
	case r.Method == http.MethodGet:
		list := []any{}
		for _, id := range slices.Sorted(maps.Keys(s.rows)) {
			list = append(list, s.rows[id])
		}
		if n, err := strconv.Atoi(r.URL.Query().Get("page")); err == nil {
			list = list[min((n-1)*3, len(list)):min(n*3, len(list))]
		}
		answer = map[string]any{"rows": list}
	case r.Method == http.MethodPost:
		var made []any
		for _, row := range sent {
			made = append(made, s.create(row))
		}
		if answer = any(made); len(raw) > 0 && raw[0] == '{' {
			answer = made[0]
		}
	case s.rows[id] == nil:
		w.WriteHeader(http.StatusNotFound)
		return
	case r.Method == http.MethodDelete:
		delete(s.rows, id)
	default:
		maps.Copy(s.rows[id], sent[0])
		answer = s.rows[id]
	}
	_ = json.NewEncoder(w).Encode(answer)
}

// refuseBy sets refuse. A handler that aborted may still be at work, so it takes the lock.
func (s *restServer) refuseBy(f func(w http.ResponseWriter, r *http.Request, names []string) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = f
}

func rowsIn(raw []byte) (rows []map[string]any) {
	var one map[string]any
	if json.Unmarshal(raw, &rows) != nil && json.Unmarshal(raw, &one) == nil {
		rows = append(rows, one)
	}
	return rows
}

// create makes a row, once for each attempt.
func (s *restServer) create(row map[string]any) map[string]any {
	for _, known := range s.rows {
		if row["ref"] != nil && known["ref"] == row["ref"] {
			return known
		}
	}
	s.next++
	row["id"] = fmt.Sprint("row-", s.next)
	s.rows[row["id"].(string)] = row
	return row
}

// theirs adds a row, as people at the source do.
func (s *restServer) theirs(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.create(map[string]any{"name": name})
}

// names counts the rows of each name.
func (s *restServer) names() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]int{}
	for _, row := range s.rows {
		out[fmt.Sprint(row["name"])]++
	}
	return out
}

// since returns the calls after the first n, and how many there are by now.
func (s *restServer) since(n int) ([]string, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[n:], len(s.calls)
}

func (w *world) names() map[string]int {
	out := map[string]int{}
	for _, r := range w.records() {
		out[fmt.Sprint(r["name"])]++
	}
	return out
}

func (w *world) rejected() (reasons []string) {
	w.t.Helper()
	list, _, err := w.svc.Rejects(w.t.(*testing.T).Context(), "s", "", 100)
	require.NoError(w.t, err)
	for _, r := range list {
		require.Equal(w.t, definition.Push, r.Phase)
		reasons = append(reasons, r.Key+": "+r.Reason)
	}
	return reasons
}

// ends runs the sync to any end but a failure of the source itself.
func (w *world) ends(o syncrun.Start) *syncrun.Run {
	w.t.Helper()
	run := w.run(o)
	require.Contains(w.t, []syncrun.State{syncrun.Finished, syncrun.Partial}, run.State, "%q", run.Errors)
	return run
}
