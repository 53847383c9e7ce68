package flow

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/webhook/incoming"
)

// The Fluid service gets one signal for each session, at the session's path and in the form
// that it checks. One that fails keeps no other from its signal, and is logged.
func TestBroadcast(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	got := map[string]string{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		got[r.Method+" "+r.URL.EscapedPath()] = string(b)
		if strings.Contains(r.URL.Path, "broken") {
			w.WriteHeader(500)
		}
	}))
	t.Cleanup(srv.Close)
	var log strings.Builder
	f := New(Options{HTTP: srv.Client(), Log: slog.New(slog.NewTextHandler(&log, nil))})
	sessions := []incoming.Session{{TenantID: "broken", DocumentID: "d"}, {TenantID: "a/b", DocumentID: "c d"}}
	for range maxBroadcasts * 2 {
		sessions = append(sessions, incoming.Session{TenantID: "t", DocumentID: "d"})
	}
	f.broadcast(t.Context(), srv.URL+"/api/v1", "list \"1\"", sessions)
	require.Len(t, got, 3)
	for _, path := range []string{"/api/v1/broken/d", "/api/v1/a%2Fb/c%20d", "/api/v1/t/d"} {
		var body struct {
			SignalContent struct {
				Contents struct {
					Type    string
					Content map[string]any
				}
			}
		}
		require.NoError(t, json.Unmarshal([]byte(got["POST "+path+"/broadcast-signal"]), &body), path)
		require.Equal(t, "ExternalDataChanged_V1.0.0", body.SignalContent.Contents.Type)
		require.Equal(t, map[string]any{"externalTaskListId": "list \"1\""}, body.SignalContent.Contents.Content)
	}
	require.Equal(t, 1, strings.Count(log.String(), "did not take the signal"))
	require.Contains(t, log.String(), "500")
}
