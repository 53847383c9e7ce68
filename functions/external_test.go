package functions

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// DataCollect's path runs a sync with credentials that hold for this run and are stored
// nowhere: not in the definition, and not in the run.
func TestExternalSyncWithCredentials(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "sync_user" || password != "pa55word" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = w.Write([]byte(`{"data":[{"id":1,"timestamp":"2026-01-01T00:00:00Z"}]}`))
	}))
	t.Cleanup(srv.Close)
	g := newGateway(t, oneService(""))
	g.define(`{"id":"x","externalSync":{"type":"custom-adapter","auth":"basic","url":"` + srv.URL + `","extraFields":[{"name":"database","value":"production_db"},{"name":"retryAttempts","value":"0"}]}}`)
	ask := func(body string) answer { t.Helper(); return g.do("POST", "/api/sync/external", body) }

	a := ask(`{"configId":"x","credentials":{"username":"sync_user","password":"pa55word"}}`)
	require.Equal(t, 200, a.status, "%s", a.raw)
	require.Equal(t, "success", a.json["status"])
	require.Len(t, g.do("GET", "/orgs/default/event", "").list("records"), 1)
	for _, path := range []string{"/sync/x", "/sync/x/runs"} {
		shown := string(g.do("GET", path, "").raw)
		require.NotContains(t, shown, "pa55word")
		require.NotContains(t, shown, "sync_user")
	}

	a = ask(`{"configId":"x"}`)
	require.Equal(t, 502, a.status, "the credentials are gone: %s", a.raw)
	require.Equal(t, "failed", a.json["status"])
	require.Contains(t, string(a.raw), "there is no username")
	a = ask(`{"configId":"x","credentials":{"username":"sync_user","password":"wr0ngword"}}`)
	require.Equal(t, 502, a.status)
	require.Contains(t, string(a.raw), "401")
	require.NotContains(t, string(a.raw), "wr0ngword")

	require.Equal(t, 404, ask(`{"configId":"none"}`).status)
	for _, bad := range []string{`{}`, `{"configId":"x","credentials":{}}`, `{"configId":"x","user":"u"}`} {
		require.Equal(t, 400, ask(bad).status, bad)
	}
	g.file("readings.csv", threeReadings)
	g.define(readingsSync(""))
	a = ask(`{"configId":"readings","credentials":{"username":"u","password":"p"}}`)
	require.Equal(t, 400, a.status)
	require.Contains(t, string(a.raw), "a csv takes none for a single run")
	require.Equal(t, "success", ask(strings.Replace(`{"configId":"ID"}`, "ID", "readings", 1)).json["status"])
}
