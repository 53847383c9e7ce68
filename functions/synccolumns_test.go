package functions

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The columns of a source are those of its rows, with the types that a mapping names. To
// look changes nothing.
func TestColumnsOfASync(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(""))
	g.file("readings.csv", threeReadings)
	g.define(readingsSync(""))
	version := g.version()
	before := version()
	want := []any{map[string]any{"datatype": "reading", "rows": 3.0, "columns": []any{
		map[string]any{"name": "well", "types": []any{"string"}},
		map[string]any{"name": "at", "types": []any{"string"}},
		map[string]any{"name": "value", "types": []any{"string"}},
	}}}
	a := g.do("GET", "/sync/readings/columns", "")
	require.Equal(t, 200, a.status, "%s", a.raw)
	require.Equal(t, true, a.json["reached"])
	require.Equal(t, want, a.json["datatypes"])
	require.Equal(t, 404, g.do("GET", "/sync/none/columns", "").status)

	draft := g.do("POST", "/sync/columns", strings.Replace(readingsSync(""), `"id":"readings",`, "", 1))
	require.Equal(t, want, draft.json["datatypes"], "a definition that is not stored")
	require.Equal(t, before, version(), "something was committed")
}

// A connection that fails is told for each datatype, with its reason. The others are shown.
func TestConnectionThatFails(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(""))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wells" {
			_, _ = w.Write([]byte(`[{"id":1,"depth":2.5,"open":true,"tags":["a"],"note":null},{"id":"x","depth":3}]`))
			return
		}
		w.WriteHeader(http.StatusForbidden)
	}))
	defer srv.Close()
	def := `{"id":"wells","orgId":"o","type":"pull","datasource":{"type":"api","url":"` + srv.URL + `","selectedDatatypes":["wells","gauges"],"options":{"list":"{type}"}}}`
	a := g.do("POST", "/sync/columns", def)
	require.Equal(t, 200, a.status, "%s", a.raw)
	require.Equal(t, false, a.json["reached"])
	wells, gauges := a.list("datatypes")[0], a.list("datatypes")[1]
	types := map[string]any{}
	for _, c := range wells["columns"].([]any) {
		types[c.(map[string]any)["name"].(string)] = c.(map[string]any)["types"]
	}
	require.Equal(t, map[string]any{"id": []any{"number", "string"}, "depth": []any{"number"}, "open": []any{"bool"}, "tags": []any{"json"}, "note": []any{}}, types)
	require.Contains(t, gauges["error"], "403")

	faults := g.do("POST", "/sync/columns", strings.Replace(def, `"orgId":"o"`, `"colour":"red","type":"sideways"`, 1))
	require.Equal(t, 400, faults.status)
	require.GreaterOrEqual(t, len(faults.list("errors")), 2, "%s", faults.raw)
}

// The form of a stored sync shows no credentials. A look with it uses those that are
// stored, and sends them to no other system.
func TestColumnsUseStoredCredentials(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(""))
	serve := func(seen *[]string) *httptest.Server {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			*seen = append(*seen, r.Header.Get("Authorization"))
			_, _ = w.Write([]byte(`[{"id":1}]`))
		}))
		t.Cleanup(srv.Close)
		return srv
	}
	var ours, others []string
	here, there := serve(&ours), serve(&others)
	def := `{"id":"wells","orgId":"o","type":"pull","datasource":{"type":"api","url":"` + here.URL + `","selectedDatatypes":["wells"],"options":{"list":"{type}","auth":{"type":"bearer","token":"hunter2"}}}}`
	g.define(def)
	shown := strings.Replace(def, "hunter2", "REDACTED", 1)
	require.Equal(t, true, g.do("POST", "/sync/columns", shown).json["reached"])
	require.Equal(t, []string{"Bearer hunter2"}, ours)
	for _, theft := range []string{
		strings.Replace(shown, here.URL, there.URL, 1),
		strings.Replace(shown, `"id":"wells"`, `"id":"else"`, 1),
	} {
		a := g.do("POST", "/sync/columns", theft)
		require.Equal(t, 400, a.status, "%s", a.raw)
		require.Contains(t, string(a.raw), "REDACTED")
	}
	require.Empty(t, others)
	require.Len(t, ours, 1)
}
