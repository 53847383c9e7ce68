package apisource_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/sync/source"
	"github.com/headgate/headgate/internal/sync/source/apisource"
	"github.com/headgate/headgate/internal/sync/source/sourcetest"
)

// server is a REST interface to a table. It supports every style of paging.
type server struct {
	*httptest.Server
	options string // of the definition

	mu      sync.Mutex
	rows    map[string]map[string]any
	next    int
	done    map[string]any // answers by idempotency key
	bad     bool           // the list contains an item that is no object
	refuse  func(*http.Request) (status int, body string)
	answer  func(path string, list []any) any // replaces the list in an answer; may be nil
	calls   []string                          // method, URL and body of the requests
	headers []http.Header                     // of the requests
	chooses bool
	before  func(*http.Request) // runs before a request for one row is served
	weak    string              // "W/" makes the ETags weak
}

func newServer(t testing.TB, options string) *server {
	s := &server{options: options, rows: map[string]map[string]any{}, done: map[string]any{}}
	s.chooses = strings.Contains(options, `"id":`)
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	s.calls = append(s.calls, strings.TrimSpace(r.Method+" "+r.URL.RequestURI()+" "+string(body)))
	s.headers = append(s.headers, r.Header.Clone())
	if s.refuse != nil {
		if status, body := s.refuse(r); status != 0 {
			w.WriteHeader(status)
			fmt.Fprint(w, body)
			return
		}
	}
	parts := strings.Split(strings.Trim(r.URL.EscapedPath(), "/"), "/") // v1, rows, id
	if len(parts) < 2 || parts[1] != "row" {
		http.Error(w, `{"detail":"no such resource"}`, http.StatusNotFound)
		return
	}
	if len(parts) == 3 {
		id, err := url.PathUnescape(parts[2])
		if err != nil {
			http.Error(w, "{}", http.StatusBadRequest)
			return
		}
		s.one(w, r, id)
		return
	}
	switch {
	case len(parts) > 3:
		http.Error(w, `{"detail":"no such resource"}`, http.StatusNotFound)
	case r.Method == http.MethodPost && r.URL.Query().Has("do"):
		s.several(w, r)
	case r.Method == http.MethodPost:
		s.create(w, r)
	case r.Method == http.MethodGet:
		s.list(w, r)
	default: // the whole list
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}

func (s *server) list(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	list := []any{}
	for _, id := range slices.Sorted(maps.Keys(s.rows)) {
		if since, err := time.Parse(time.RFC3339, q.Get("since")); err == nil {
			at, _ := time.Parse(time.RFC3339Nano, fmt.Sprint(s.rows[id]["updated_at"]))
			if !at.After(since) { // excludes rows of exactly that time, as some servers do
				continue
			}
		}
		list = append(list, s.rows[id])
	}
	if s.bad {
		list = slices.Insert(list, len(list)/2, any("not an object"))
	}
	size, _ := strconv.Atoi(q.Get("size"))
	size = max(1, min(size, 50))
	from := 0
	switch {
	case q.Has("page0"):
		page, _ := strconv.Atoi(q.Get("page0"))
		from = page * size
	case q.Has("page"):
		page, _ := strconv.Atoi(q.Get("page"))
		from = (page - 1) * size
	case q.Has("offset"):
		from, _ = strconv.Atoi(q.Get("offset"))
	default: // after the id
		for from < len(list) {
			if m, ok := list[from].(map[string]any); ok && fmt.Sprint(m["id"]) > q.Get("after") {
				break
			}
			from++
		}
	}
	page := list[min(from, len(list)):min(from+size, len(list))]
	token := ""
	if from+size < len(list) {
		for _, item := range slices.Backward(page) {
			if m, ok := item.(map[string]any); ok {
				token = fmt.Sprint(m["id"])
				break
			}
		}
	}
	if token != "" {
		next := *r.URL
		nq := next.Query()
		nq.Set("after", token)
		next.RawQuery = nq.Encode()
		w.Header().Add("Link", `<https://elsewhere.example/first>; rel="first", <`+next.String()+`>; title="a, b; c"; rel="last next"`)
	}
	if s.answer != nil {
		if v := s.answer(r.URL.Path, page); v != nil {
			reply(w, 200, v)
			return
		}
	}
	meta := map[string]any{"next": token, "more": from+size < len(list), "total": len(list)}
	if token != "" {
		meta["url"] = "?after=" + url.QueryEscape(token) + "&size=" + q.Get("size") + "&since=" + url.QueryEscape(q.Get("since"))
	}
	reply(w, 200, map[string]any{"data": map[string]any{"items": page}, "meta": meta})
}

// several updates or deletes rows and answers with a result for each.
func (s *server) several(w http.ResponseWriter, r *http.Request) {
	var in []map[string]any
	d := json.NewDecoder(r.Body)
	d.UseNumber()
	if err := d.Decode(&in); err != nil {
		reply(w, 400, map[string]any{"message": "not a list"})
		return
	}
	results := []any{}
	for _, row := range in {
		id := fmt.Sprint(row["id"])
		switch {
		case row["name"] == "refuse me":
			results = append(results, map[string]any{"problem": map[string]any{"text": "name is refused"}})
			continue
		case r.URL.Query().Get("do") == "delete":
			delete(s.rows, id)
		case s.rows[id] == nil:
			results = append(results, map[string]any{"problem": "no such row"})
			continue
		default:
			changed := maps.Clone(s.rows[id])
			maps.Copy(changed, row)
			s.rows[id] = changed
		}
		results = append(results, map[string]any{"problem": nil})
	}
	reply(w, 207, results)
}

func reply(w http.ResponseWriter, status int, v any) {
	if raw, ok := v.(string); ok {
		fmt.Fprint(w, raw)
		return
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func (s *server) create(w http.ResponseWriter, r *http.Request) {
	if known, ok := s.done[r.Header.Get("Idempotency-Key")]; ok && r.Header.Get("Idempotency-Key") != "" {
		reply(w, 201, known)
		return
	}
	var in any
	d := json.NewDecoder(r.Body)
	d.UseNumber()
	if err := d.Decode(&in); err != nil {
		reply(w, 400, map[string]any{})
		return
	}
	many := false
	if m, ok := in.(map[string]any); ok && m["rows"] != nil {
		in = m["rows"]
	}
	var rows []any
	if rows, many = in.([]any); !many {
		rows = []any{in}
	}
	for _, row := range rows {
		if row.(map[string]any)["name"] == "refuse me" {
			reply(w, 422, map[string]any{"message": "name is refused"})
			return
		}
	}
	for _, row := range rows {
		if id, ok := row.(map[string]any)["id"]; ok && s.rows[fmt.Sprint(id)] != nil {
			reply(w, 409, map[string]any{"message": "the id is taken"})
			return
		}
	}
	var made []any
	for _, row := range rows {
		m := row.(map[string]any)
		if s.chooses {
			s.next++
			m["id"] = fmt.Sprintf("r%04d", 5000+s.next)
		}
		s.rows[fmt.Sprint(m["id"])] = m
		made = append(made, map[string]any{"row": m})
	}
	var out any = map[string]any{"created": made}
	if !many {
		out = made[0]
	}
	s.done[r.Header.Get("Idempotency-Key")] = out
	reply(w, 201, out)
}

func (s *server) one(w http.ResponseWriter, r *http.Request, id string) {
	row := s.rows[id]
	if s.before != nil {
		s.before(r)
		row = s.rows[id]
	}
	text, _ := json.Marshal(row)
	tag := fmt.Sprintf(`%s"%x"`, s.weak, sha256.Sum256(text))
	if row != nil && r.Method == http.MethodGet {
		w.Header().Set("ETag", tag)
		reply(w, 200, map[string]any{"row": row})
		return
	}
	if want := r.Header.Get("If-Match"); want != "" && (want != tag || s.weak != "") {
		reply(w, 412, map[string]any{"detail": "the row is another by now"})
		return
	}
	if row == nil && r.Method != http.MethodPut {
		reply(w, 404, map[string]any{"detail": "no such row"})
		return
	}
	switch r.Method {
	case http.MethodDelete:
		delete(s.rows, id)
		w.WriteHeader(http.StatusNoContent)
		return
	case http.MethodPut:
		row = map[string]any{}
	default:
		row = maps.Clone(row)
	}
	d := json.NewDecoder(r.Body)
	d.UseNumber()
	in := map[string]any{}
	_ = d.Decode(&in)
	if in["name"] == "refuse me" {
		reply(w, 422, map[string]any{"message": "name is refused"})
		return
	}
	maps.Copy(row, in)
	s.rows[id] = row
	reply(w, 200, row)
}

// The following methods implement sourcetest.Place.

func (s *server) definition() source.Datasource {
	return source.Datasource{Type: "api", URL: s.URL + "/v1/", Options: json.RawMessage(s.options)}
}

func (s *server) Open(t testing.TB) source.Source {
	require.Empty(t, apisource.Kind().Check(s.definition()))
	src, err := apisource.Kind().Open(t.Context(), s.definition(), env(t, nil))
	require.NoError(t, err)
	return src
}

func env(t testing.TB, secrets map[string]string) source.Env {
	return source.Env{HTTP: sourcetest.HTTP(t), Now: time.Now, Secret: func(_ context.Context, v, _ string) (string, error) {
		if s, ok := secrets[v]; ok {
			return s, nil
		}
		return v, nil
	}}
}

func (s *server) Spec() source.Spec {
	spec := source.Spec{Datatype: "row", Key: []string{"id"}}
	if strings.Contains(s.options, `"since"`) {
		spec.CursorTime, spec.Deleted, spec.DeletedEquals = "updated_at", "deleted", true
	}
	return spec
}

func (s *server) Put(_ testing.TB, rows ...sourcetest.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range rows {
		s.rows[r.ID] = map[string]any{
			"id": r.ID, "name": r.Name, "value": r.Value, "updated_at": r.UpdatedAt.Format(time.RFC3339Nano), "deleted": r.Deleted,
		}
	}
}

func (s *server) Remove(_ testing.TB, ids ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		delete(s.rows, id)
	}
}

func (s *server) Rows(t testing.TB) map[string]sourcetest.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]sourcetest.Record{}
	for id, m := range s.rows {
		names := slices.Sorted(maps.Keys(m))
		row := source.Row{Columns: source.NewColumns(names)}
		for _, n := range names {
			row.Values = append(row.Values, m[n])
		}
		r, err := sourcetest.ReadRow(row)
		require.NoError(t, err)
		out[id] = r
	}
	return out
}

func (s *server) PutBad(testing.TB) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bad = true
}

func (s *server) Refused(testing.TB) source.Change {
	return source.Change{
		Op: source.Create, ID: "x", Key: s.refusedKey(), Attempt: "refused", Fields: map[string]any{"name": "refuse me"},
	}
}

func (s *server) refusedKey() []any {
	if s.chooses {
		return nil
	}
	return []any{"r9999"}
}
