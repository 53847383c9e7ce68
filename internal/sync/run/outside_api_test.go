package run_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/headgate/headgate/internal/sync/source"
)

// apiOutside returns a REST interface. It finds a row by its id without regard to case, and
// answers with the id as the row has it.
func apiOutside(t *testing.T, _ []string, _ columnTypes) *outside {
	var mu sync.Mutex
	list := []map[string]string{}
	at := func(id string) int {
		return slices.IndexFunc(list, func(r map[string]string) bool { return strings.EqualFold(r["id"], id) })
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		id := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/item"), "/")
		var body map[string]string
		_ = json.NewDecoder(r.Body).Decode(&body) // texts alone: a push in another form fails the test below
		if r.Method == http.MethodPost {
			id = body["id"]
		}
		i := at(id)
		switch {
		case id == "":
			_ = json.NewEncoder(w).Encode(list)
		case r.Method == http.MethodPost && i >= 0:
			w.WriteHeader(http.StatusConflict)
		case r.Method == http.MethodPost:
			list = append(list, body)
			_ = json.NewEncoder(w).Encode(body)
		case i < 0:
			w.WriteHeader(http.StatusNotFound)
		case r.Method == http.MethodDelete:
			list = slices.Delete(list, i, i+1)
		default:
			for k, v := range body {
				list[i][k] = v
			}
			_ = json.NewEncoder(w).Encode(list[i])
		}
	}))
	t.Cleanup(srv.Close)
	o := &outside{name: "api", dir: t.TempDir(), datasource: source.Datasource{Type: "api", URL: srv.URL, Options: []byte(
		`{"list":"{type}","create":{"url":"{type}"},"read":{"url":"{type}/{id}"},"update":{"url":"{type}/{id}"},"delete":{"url":"{type}/{id}"}}`)}}
	o.put = func(row map[string]string) {
		mu.Lock()
		defer mu.Unlock()
		if i := at(row["id"]); i >= 0 {
			list = slices.Delete(list, i, i+1)
		}
		list = append(list, row)
	}
	o.rows = func() []map[string]string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(list)
	}
	return o
}
