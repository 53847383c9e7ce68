package run_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/functions"
	"github.com/headgate/headgate/internal/app"
	"github.com/headgate/headgate/internal/bus/localbus"
	"github.com/headgate/headgate/internal/mock"
	"github.com/headgate/headgate/internal/store/sqlitestore"
	"github.com/headgate/headgate/internal/sync/source"
	"github.com/headgate/headgate/internal/sync/source/mywell"
)

// guarded returns Headgate's HTTP interface with tokens for three callers, "reader",
// "operator" and "source", which have one role each. calls counts those of LegacyMyWell.
func guarded(t *testing.T) (ask func(token, method, path, body string) *httptest.ResponseRecorder, url string, calls *atomic.Int64) {
	t.Helper()
	calls = new(atomic.Int64)
	theirs := mock.NewMyWell(mock.Options{})
	require.NoError(t, theirs.Put("resource", well(117)))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		theirs.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	var tokens []string
	for name, role := range map[string]string{"reader": "read", "operator": "operate", "source": "ingest"} {
		sum := sha256.Sum256([]byte(name))
		tokens = append(tokens, fmt.Sprintf(`{"name":%q,"sha256":%q,"roles":[%q]}`, name, hex.EncodeToString(sum[:]), role))
	}
	cfg, err := config.Parse([]byte(`{"serviceName":"s","trigger":{"type":"none","observationPeriod":60},"endpoints":[{"eventKey":"a"},{"eventKey":"b"}],
		"targetPubSub":{"topic":"projects/p/topics/sync"},"auth":{"tokens":[` + strings.Join(tokens, ",") + `]}}`))
	require.NoError(t, err)
	st, err := sqlitestore.Open(context.Background(), filepath.Join(t.TempDir(), "test.db"))
	require.NoError(t, err)
	a, err := app.New(app.Options{
		Config: cfg, Store: st, Bus: localbus.New("projects/p/topics/sync"), Log: slog.New(slog.DiscardHandler), Kinds: source.NewRegistry(mywell.Kind()),
		Env: source.Env{HTTP: srv.Client(), Now: time.Now, Secret: func(_ context.Context, v, _ string) (string, error) { return v, nil }},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, a.Close(context.Background())) })
	h, err := functions.Handler(a)
	require.NoError(t, err)
	return func(token, method, path, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}, srv.URL, calls
}

// Definitions, runs and records need a token of the right role. A request that is refused
// has no effect.
func noAuthentication(t *testing.T) {
	t.Parallel()
	ask, url, calls := guarded(t)
	def := strings.ReplaceAll(strings.Replace(wells, "{", `{"id":"s",`, 1), "URL", url)
	require.Equal(t, 201, ask("operator", "POST", "/sync", def).Code)
	before := ask("reader", "GET", "/sync", "").Body.String()
	require.Contains(t, before, `"id":"s"`)

	reading := []string{
		"/sync?orgId=mywell", "/sync/s", "/sync/s/runs", "/sync/s/runs/any", "/sync/s/rejects", "/sync/s/conflicts", "/sync/s/data",
		"/orgs/mywell/resource", "/orgs/mywell/resource/x",
	}
	writing := [][3]string{
		{"POST", "/sync", strings.Replace(def, `"s"`, `"other"`, 1)},
		{"PUT", "/sync/s", def},
		{"DELETE", "/sync/s", ""},
		{"POST", "/sync/s", ""},
		{"POST", "/sync/s/run", ""},
		{"POST", "/sync/s/runs/any/cancel", ""},
		{"POST", "/sync/s/rejects/retry", ""},
		{"POST", "/sync/s/conflicts/any", `{"choose":"source"}`},
		{"POST", "/sync/s/data?type=resource", `[{"id":"313603.1"}]`},
		{"PUT", "/orgs/mywell/resource/x", `{}`},
		{"PATCH", "/orgs/mywell/resource/x", `{}`},
		{"DELETE", "/orgs/mywell/resource/x", ""},
		{"POST", "/sync/due", ""},
		{"POST", "/sync/work", `{"syncId":"s","runId":"any"}`},
	}
	refused := func(status int, token, method, path, body string) {
		t.Helper()
		w := ask(token, method, path, body)
		require.Equal(t, status, w.Code, "%s %s as %q: %s", method, path, token, w.Body)
		require.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
		require.Equal(t, status == 401, w.Header().Get("WWW-Authenticate") == "Bearer")
	}
	for _, path := range reading {
		for token, status := range map[string]int{"": 401, "wrong": 401, "source": 403, "operator": 403} {
			refused(status, token, "GET", path, "")
		}
	}
	for _, w := range writing {
		for token, status := range map[string]int{"": 401, "wrong": 401, "source": 403, "reader": 403} {
			refused(status, token, w[0], w[1], w[2])
		}
	}
	require.Zero(t, calls.Load(), "LegacyMyWell was called")
	require.JSONEq(t, before, ask("reader", "GET", "/sync", "").Body.String())
	for path, none := range map[string]string{"/sync/s/runs": "runs", "/orgs/mywell/resource": "records", "/sync/s/data?type=resource": "data"} {
		w := ask("reader", "GET", path, "")
		require.Equal(t, 200, w.Code)
		var list map[string]any
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &list))
		require.Empty(t, list[none], path)
		require.Contains(t, list, none)
	}

	require.Equal(t, 200, ask("operator", "POST", "/sync/s/run?wait=true", "").Code)
	require.Positive(t, calls.Load())
	require.Contains(t, ask("reader", "GET", "/orgs/mywell/resource", "").Body.String(), "313603.117")
	require.Equal(t, 204, ask("operator", "DELETE", "/sync/s", "").Code)
}
