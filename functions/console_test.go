package functions

import (
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// In the cloud the page is served where somebody is asked who they are; its files
// are all there is.
func TestConsoleIsServed(t *testing.T) {
	t.Parallel()
	const someone = `,"auth":{"tokens":[{"name":"desk","sha256":"1c8bfe8f801d79745c4631d09fff36c82aa37fc4cce4fc946683d7b336b63032","roles":["read"]}]}`
	cloud := newGateway(t, oneService(""))
	require.Equal(t, 403, cloud.do("GET", "/console", "").status)
	for name, g := range map[string]*gateway{"a laptop": newGatewayOn(t, oneService(""), true), "the cloud, with auth": newGateway(t, oneService(someone))} {
		for path, kind := range map[string]string{"/console": "text/html; charset=utf-8", "/console/app.js": "text/javascript; charset=utf-8", "/console/console.css": "text/css; charset=utf-8", "/console/icon.svg": "image/svg+xml"} {
			a := g.do("GET", path, "")
			require.Equal(t, 200, a.status, "%s: %s", name, path)
			require.Equal(t, kind, a.header.Get("Content-Type"))
			require.Contains(t, a.header.Get("Content-Security-Policy"), "default-src 'none'")
		}
		require.Equal(t, 404, g.do("GET", "/console/nothing.js", "").status)
		require.Equal(t, 404, g.do("GET", "/console/..%2Fconsole.go", "").status)
		require.Equal(t, 405, g.do("POST", "/console", "").status)
		slash := httptest.NewRecorder()
		g.h.ServeHTTP(slash, httptest.NewRequest("GET", "/console/", nil))
		require.Equal(t, 308, slash.Code, name)
		require.Equal(t, "../console", slash.Header().Get("Location"))
	}
}

// What is in the window, and what the last hour was.
func TestPendingAndHistory(t *testing.T) {
	t.Parallel()
	g := newGateway(t, `{"serviceName":"s","trigger":{"type":"window","observationPeriod":3600},"endpoints":[{"eventKey":"a","minNbOfOccurrence":3},{"eventKey":"b"}],"targetPubSub":{"topic":"`+testTopic+`"}}`)
	for range 2 {
		g.event("a", "x")
		g.advance(time.Minute)
	}
	p := g.do("GET", "/pending?limit=1", "")
	require.Equal(t, 200, p.status, "%s", p.raw)
	a := p.list("endpoints")[0]
	require.Equal(t, "a", a["eventKey"])
	require.Equal(t, true, a["more"])
	require.Len(t, a["events"], 1)
	require.Equal(t, "2026-05-01T13:00:00Z", a["events"].([]any)[0].(map[string]any)["leavesAt"], "the oldest first")
	require.Equal(t, 400, g.do("GET", "/pending?limit=no", "").status)

	g.event("a", "x")
	require.NotEmpty(t, g.event("b", "x").str("triggered"))
	h := g.do("GET", "/history", "")
	require.Equal(t, 200, h.status, "%s", h.raw)
	counts := ""
	for _, m := range h.list("minutes") {
		counts += fmt.Sprint(m["at"], " ", m["events"], "\n")
	}
	require.Equal(t, "2026-05-01T12:00:00Z 1\n2026-05-01T12:01:00Z 1\n2026-05-01T12:02:00Z 2\n", counts)
	require.Equal(t, "2026-05-01T12:00:00Z", h.list("messages")[0]["firstEvent"])
	require.Equal(t, "2026-05-01T12:02:00Z", h.list("messages")[0]["publishedAt"])
	g.advance(2 * time.Hour)
	later := g.do("GET", "/history", "")
	require.Empty(t, later.list("minutes"))
	require.Empty(t, later.list("messages"))
}
