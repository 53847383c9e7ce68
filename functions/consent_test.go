package functions

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A request that asks about an address is no event, whatever sends it: the validation of
// CloudEvents' webhooks, a browser's preflight, a monitor.
func TestAskingAboutAnAddressIsNoEvent(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(`,"feeds":[{"name":"all","routes":[{"when":"true","eventKey":"entry1"}]}],"hooks":[{"name":"h","verify":{"type":"none"},"entity":"body.entity","id":"body.id","signal":true}]`))
	for path, allow := range map[string]string{
		"/event/entry1": "GET, POST, PUT, PATCH, DELETE, OPTIONS", "/services/My%20First%20Event%20Sync/event/entry1": "GET, POST, PUT, PATCH, DELETE, OPTIONS",
		"/events/entry1": "POST, OPTIONS", "/feed/all": "POST, OPTIONS", "/feeds/all": "POST, OPTIONS", "/hooks/h": "POST, OPTIONS",
		"/echo-external-data-webhook": "POST, OPTIONS", "/external-data-webhook": "POST, OPTIONS",
	} {
		a := g.do("OPTIONS", path, "", "WebHook-Request-Origin", "eventemitter.example.com", "WebHook-Request-Rate", "120")
		require.Equal(t, 204, a.status, "%s: %s", path, a.raw)
		require.Equal(t, "eventemitter.example.com", a.header.Get("WebHook-Allowed-Origin"), path)
		require.Equal(t, "120", a.header.Get("WebHook-Allowed-Rate"), path)
		require.Equal(t, allow, a.header.Get("Allow"), path)

		a = g.do("OPTIONS", path, "", "WebHook-Request-Origin", "eventemitter.example.com")
		require.Equal(t, "*", a.header.Get("WebHook-Allowed-Rate"), path)
		a = g.do("OPTIONS", path, "", "Access-Control-Request-Method", "POST")
		require.Equal(t, 204, a.status, path)
		require.Empty(t, a.header.Get("WebHook-Allowed-Origin"), path)
		require.Empty(t, a.header.Get("Access-Control-Allow-Origin"), path)
		require.Equal(t, 405, g.do("HEAD", path, "").status, path)
	}
	for _, path := range []string{"/event/none", "/event", "/events/none", "/feed/none", "/hooks/none", "/services/none/event/entry1"} {
		a := g.do("OPTIONS", path, "", "WebHook-Request-Origin", "eventemitter.example.com")
		require.Contains(t, []int{404, 405}, a.status, "%s: %s", path, a.raw)
		require.Empty(t, a.header.Get("WebHook-Allowed-Origin"), path)
	}
	require.Equal(t, 0, g.do("POST", "/reset", "").num("reset"))
	require.Empty(t, g.bus.all())
}

// An endpoint that names HEAD or OPTIONS takes them.
func TestNamedMethodsAreEvents(t *testing.T) {
	t.Parallel()
	cfg := strings.Replace(oneService(""), `{"eventKey":"entry1"}`, `{"eventKey":"entry1","acceptedHttpMethods":["options","Head"]}`, 1)
	g := newGateway(t, strings.Replace(cfg, `{"eventKey":"entry2"}`, `{"eventKey":"trigger"}`, 1))
	require.Equal(t, 200, g.do("OPTIONS", "/event/entry1", "").status)
	require.Equal(t, 200, g.do("HEAD", "/event/entry1", "").status)
	require.Equal(t, "OPTIONS, HEAD", g.do("POST", "/event/entry1", "").header.Get("Allow"))
	require.Equal(t, 204, g.do("OPTIONS", "/event/trigger", "", "WebHook-Request-Origin", "a.example").status)
	require.Equal(t, 2, g.do("POST", "/reset", "").num("reset"))
}

// A sender that validates an address has no credentials yet, and learns no names.
func TestConsentNeedsNoCredentials(t *testing.T) {
	t.Parallel()
	sum := sha256.Sum256([]byte("t"))
	g := newGateway(t, oneService(fmt.Sprintf(`,"auth":{"tokens":[{"name":"t","sha256":"%x","roles":["ingest"]}]}`, sum)))
	answers := map[string]bool{}
	for _, path := range []string{"/event/entry1", "/event/none", "/services/none/event/entry1"} {
		a := g.do("OPTIONS", path, "", "WebHook-Request-Origin", "a.example")
		require.Equal(t, 204, a.status, "%s: %s", path, a.raw)
		answers[a.header.Get("Allow")+a.header.Get("WebHook-Allowed-Origin")] = true
	}
	require.Len(t, answers, 1, "the answers do not tell what exists")
	require.Equal(t, 401, g.do("POST", "/event/entry1", "").status)
}

// EventSync takes methods in any letter case, and operates by any method.
func TestMethodsAsInEventSync(t *testing.T) {
	t.Parallel()
	cfg := strings.Replace(oneService(""), `{"eventKey":"entry1"}`, `{"eventKey":"entry1","acceptedHttpMethods":["post"]}`, 1)
	g := newGateway(t, strings.Replace(cfg, `{"eventKey":"entry2"}`, `{"eventKey":"a/"}`, 1))
	require.Equal(t, 200, g.do("post", "/event/entry1", "x").status)
	for _, method := range []string{"head", "options"} {
		require.NotEqual(t, 200, g.do(method, "/event/a/", "").status, method)
	}
	for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "put"} {
		require.Equal(t, 200, g.do("POST", "/event/entry1", "x").status)
		require.NotNil(t, g.do(method, "/trigger", "").json["triggered"], method)
		require.Equal(t, 200, g.do("POST", "/event/entry1", "x").status)
		require.NotNil(t, g.do(method, "/event/trigger", "").json["triggered"], method)
		require.Equal(t, 200, g.do("POST", "/event/entry1", "x").status)
		require.Equal(t, 1, g.do(method, "/reset", "").num("reset"), method)
	}
	require.Equal(t, 200, g.do("POST", "/event/entry1", "x").status)
	a := g.do("POST", "/event/a/", "y")
	require.NotEmpty(t, a.str("triggered"), "%s", a.raw)
	m := g.message(a.str("triggered"))
	require.Equal(t, "POST", m.Events["entry1"].Events[0].HTTPMethod)
	require.Equal(t, "y", m.Events["a/"].Events[0].Content)
	require.Equal(t, 404, g.do("POST", "/event/a", "").status, "it is another key")
}

// EventSync's reset takes any query and any body. What is meant as a parameter is not
// ignored, or all endpoints would be reset.
func TestResetTakesAnyQuery(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(""))
	const form = "application/x-www-form-urlencoded"
	request := func(method, target, body, contentType string) *http.Request { // the query need not be described
		r := httptest.NewRequest(method, target, strings.NewReader(body))
		r.Header.Set("Content-Type", contentType)
		return r
	}
	g.event("entry1", "x")
	require.Equal(t, 1, g.send(request("POST", "/reset?t=123&by=cron", "", "")).num("reset"))
	g.event("entry1", "x")
	require.Equal(t, 1, g.send(request("POST", "/reset", "a=b", form)).num("reset"))
	g.event("entry1", "x")
	for query, says := range map[string]string{"eventkey=entry2": "did you mean", "event_key=entry2": "did you mean", "keys=1": "did you mean", "eventKey=entry2&eventKey=entry1": "2 times", "eventKey=": "must not be empty"} {
		requireProblem(t, g.send(request("POST", "/reset?"+query, "", "")), 400, says)
	}
	for _, body := range []string{"eventKey=entry2", "EVENTKEY=entry2", "key=1", "%zz"} {
		requireProblem(t, g.send(request("POST", "/reset", body, form)), 400)
	}
	require.Equal(t, 1, g.do("POST", "/reset", "").num("reset"))
}
