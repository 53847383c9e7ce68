package datacollect_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/sync/source"
	"github.com/headgate/headgate/internal/sync/source/datacollect"
	"github.com/headgate/headgate/internal/sync/source/sourcetest"
)

// custom returns a source of a custom type, and the requests that it makes.
func custom(t *testing.T, adapter, answer string) (source.Source, chan string) {
	requests := make(chan string, 10)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		user, password, _ := r.BasicAuth()
		requests <- r.Method + " " + r.URL.RequestURI() + " " + user + ":" + password + " " + r.Header.Get("X-Database") + " " + string(body)
		_, _ = w.Write([]byte(answer))
	}))
	t.Cleanup(srv.Close)
	d := source.Datasource{Type: "openspp", Auth: "basic", URL: srv.URL + "/api/sync", ExtraFields: []source.ExtraField{
		{Name: "username", Value: "sync_user"}, {Name: "password", Value: "secure_password"}, {Name: "database", Value: "production db"}, {Name: "syncInterval", Value: "300000"},
	}}
	if adapter != "" {
		d.Options = json.RawMessage(`{"adapter":` + adapter + `}`)
	}
	kinds := source.NewRegistry(datacollect.SyncServer(), datacollect.OpenFnAdapter(), datacollect.OpenFnAlias(), datacollect.CustomAdapter())
	require.Empty(t, kinds.Check(d))
	kind, ok := kinds.Of(d)
	require.True(t, ok)
	s, err := kind.Open(t.Context(), d, source.Env{HTTP: sourcetest.HTTP(t), Now: time.Now})
	require.NoError(t, err)
	return s, requests
}

// A type of its own is called as a mock sync server is, unless the adapter says how: its
// method, paths, headers and body, and where its answer has the events.
func TestCustomAdapter(t *testing.T) {
	t.Parallel()
	kind := datacollect.CustomAdapter()
	late := requestOf(kind)
	late.Cursor = source.Cursor{Time: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)}
	change := source.Change{Op: source.Create, ID: "g", Key: []any{"g"}, Fields: map[string]any{"n": json.Number("12345678901234567890"), "timestamp": "2026-01-01T00:00:00Z"}}

	s, requests := custom(t, "", `{"data":[{"id":1}]}`)
	rows, err := drain(t, s, late)
	require.NoError(t, err)
	require.Len(t, rows, 1)
	require.Equal(t, "GET /api/sync?since=2026-01-30T00%3A00%3A00Z sync_user:secure_password  ", <-requests)
	_, err = s.Push(t.Context(), late.Spec, []source.Change{change})
	require.NoError(t, err)
	require.Equal(t, `POST /api/sync sync_user:secure_password  {"data":[{"guid":"g","n":12345678901234567890,"timestamp":"2026-01-01T00:00:00Z"}]}`, <-requests)

	const adapter = `{
		"push": {"method": "put", "path": "/registrants?db={fields.database}", "headers": {"X-Database": "{fields.database}"},
			"body": "{'registrants': events.map(e, {'uid': e.guid, 'at': e.timestamp}), 'count': size(events)}", "ok": "status == 200 && answer.errors == 0"},
		"pull": {"method": "POST", "path": "search", "body": "{'after': since, 'db': fields.database}", "events": "answer.result.rows.map(r, {'guid': r.uid, 'timestamp': r.at, 'data': r})"}
	}`
	s, requests = custom(t, adapter, `{"errors":0,"result":{"rows":[{"uid":"a","at":"2026-02-01T00:00:00Z","n":7,"big":123456789012345678901}]}}`)
	for _, p := range []struct {
		pull source.Pull
		want string
	}{{requestOf(kind), "1970-01-01T00:00:00Z"}, {late, "2026-01-30T00:00:00Z"}} {
		rows, err = drain(t, s, p.pull)
		require.NoError(t, err)
		require.Equal(t, []map[string]any{{"guid": "a", "timestamp": "2026-02-01T00:00:00Z", "data": map[string]any{"uid": "a", "at": "2026-02-01T00:00:00Z", "n": int64(7), "big": "123456789012345678901"}}}, rows)
		require.Equal(t, `POST /api/sync/search sync_user:secure_password  {"after":"`+p.want+`","db":"production db"}`, <-requests)
	}
	results, err := s.Push(t.Context(), late.Spec, []source.Change{change})
	require.NoError(t, err)
	require.NoError(t, results[0].Err)
	require.Equal(t, `PUT /api/sync/registrants?db=production+db sync_user:secure_password production db {"count":1,"registrants":[{"at":"2026-01-01T00:00:00Z","uid":"g"}]}`, <-requests)

	s, _ = custom(t, adapter, `{"errors":1,"message":"no database production db"}`)
	results, err = s.Push(t.Context(), late.Spec, []source.Change{change})
	require.NoError(t, err)
	require.ErrorContains(t, results[0].Err, "refuses: no database REDACTED")
	_, err = drain(t, s, late)
	require.ErrorContains(t, err, "the adapter: events fails", "an answer of another shape is no answer without events")
}

func TestFaultsOfAnAdapter(t *testing.T) {
	t.Parallel()
	kinds := source.NewRegistry(datacollect.SyncServer(), datacollect.OpenFnAdapter(), datacollect.OpenFnAlias(), datacollect.CustomAdapter())
	check := func(d source.Datasource) (out []string) {
		d.URL = "https://example.org"
		for _, f := range kinds.Check(d) {
			out = append(out, f.String())
		}
		return out
	}
	faults := check(source.Datasource{Type: "mine", Options: json.RawMessage(`{"adapter":{"colour":1,"push":{"method":"DANCE","body":"events.","ok":"events"},"pull":{"path":"/{since","headers":{"a b":"x"}}}}`)})
	require.Len(t, faults, 6, "%q", faults)
	require.Len(t, check(source.Datasource{Type: "mock-sync-server", Options: json.RawMessage(`{"adapter":{}}`)}), 1)
	field := []source.ExtraField{{Name: "a", Value: "b"}}
	require.Empty(t, check(source.Datasource{Type: "openspp", ExtraFields: field}))
	require.Contains(t, check(source.Datasource{Type: "openspp"})[0], "the types are custom-adapter, mock-sync-server, openfn, openfn-adapter")
	require.Contains(t, check(source.Datasource{Type: "mock-sync-sever", ExtraFields: field})[0], "did you mean mock-sync-server?")
}
