package functions

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/store"
)

// checkRequest requires that the document describes every accepted request.
func (d *document) checkRequest(t testing.TB, r *http.Request, body string, a answer) {
	t.Helper()
	template, method := d.path(r.URL.EscapedPath()), strings.ToLower(r.Method)
	op := d.at(d.raw, "paths", template, method)
	if op == nil || a.status < 200 || a.status > 299 || strings.Contains(template, "/event/") || strings.Contains(template, "/events/") || strings.Contains(template, "/feed/") || strings.Contains(template, "/feeds/") || a.header.Get("Access-Control-Allow-Methods") != "" {
		return // an event may have any parameters and any body
	}
	parameters, _ := d.at(op, "parameters").([]any)
	for name := range r.URL.Query() {
		require.True(t, d.has(parameters, "query", name), "%s %s: the parameter %s is not described", r.Method, r.URL, name)
	}
	if body == "" {
		require.NotEqual(t, true, d.at(op, "requestBody", "required"), "%s %s takes no body, and one is described as required", r.Method, r.URL)
		return
	}
	if d.at(op, "requestBody") == nil {
		return // it is ignored
	}
	media := "application/json"
	if ct := r.Header.Get("Content-Type"); d.at(op, "requestBody", "content", ct) != nil {
		media = ct
	}
	require.NotNil(t, d.at(op, "requestBody", "content", media), "%s %s", r.Method, r.URL)
	if s, _ := d.at(op, "requestBody", "content", media, "schema").(map[string]any); len(s) == 0 {
		return // anything
	}
	if template == "/sync/work" || template == "/sync/message" {
		return // what can never succeed is acknowledged
	}
	pointer := "openapi.json#/paths"
	for _, part := range []string{template, method, "requestBody", "content", media, "schema"} {
		pointer += "/" + url.PathEscape(strings.NewReplacer("~", "~0", "/", "~1").Replace(part))
	}
	d.mu.Lock()
	sch, err := d.compiler.Compile(pointer)
	d.mu.Unlock()
	require.NoError(t, err)
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(body))
	require.NoError(t, err)
	require.NoError(t, sch.Validate(v), "%s %s was taken: %s", r.Method, r.URL, body)
}

func (d *document) has(parameters []any, in, name string) bool {
	for _, p := range parameters {
		if d.at(p, "in") == in && d.at(p, "name") == name {
			return true
		}
	}
	return false
}

// Each described parameter is accepted. A value that its schema forbids is refused, and the
// refusal names the parameter.
func TestDescribedParametersAreTaken(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(`,"hooks":[{"name":"x","verify":{"type":"none"},"entity":"body.entity","id":"body.id","signal":true}]`))
	for _, rt := range routes {
		for _, p := range rt.doc.parameters {
			if rt.path == defaultSocketPath || rt.path == "/live" {
				continue // TestLiveParameters
			}
			good, bad := samples(t, p.schema)
			if p.name == "after" {
				good = formatCursor(store.Cursor{Date: g.clock(), ID: event.RandomID()})
			}
			a := g.with(rt, p, good)
			require.NotContains(t, a.str("detail"), "unknown query parameter", "%s %s %s", rt.methods, rt.path, p.name)
			require.NotContains(t, a.str("detail"), p.name+" must be", "%s %s %s", rt.methods, rt.path, p.name)
			if bad != "" {
				requireProblem(t, g.with(rt, p, bad), 400, p.name)
			}
		}
	}
}

// with sends a request with the parameter.
func (g *gateway) with(rt route, p parameter, value string) answer {
	g.Helper()
	target, headers := rt.example(), []string(nil)
	if p.in == "query" {
		q := url.Values{p.name: {value}}
		if rt.path == "/register-for-webhook" && p.name != "url" {
			q.Set("url", "https://example.com/hook")
		}
		target += "?" + q.Encode()
	} else {
		headers = []string{p.name, value}
	}
	return g.do(rt.method(), target, "{}", headers...)
}

// samples returns a value that the schema allows, and one that it forbids, if there is one.
func samples(t *testing.T, s schema) (good, bad string) {
	t.Helper()
	switch values, enum := s["enum"].([]string); {
	case enum:
		return values[0], "neither"
	case s["type"] == "integer":
		return fmt.Sprint(s["maximum"]), fmt.Sprint(s["maximum"].(int) + 1)
	case s["type"] == "boolean":
		return "false", "perhaps"
	case s["format"] == "date-time":
		return "2026-05-01T12:00:00Z", "yesterday"
	case s["format"] == "uri":
		return "https://example.com/hook", "x"
	case s["type"] == "array":
		return "x", ""
	}
	require.Equal(t, "string", s["type"])
	return "x", ""
}

// A live client may resume the stream by two names, and may show its token in two ways.
func TestLiveParameters(t *testing.T) {
	t.Parallel()
	g := newGatewayOn(t, oneService(""), true)
	server := httptest.NewServer(g.h)
	t.Cleanup(server.Close)
	for _, rt := range routes {
		if rt.path != "/live" {
			continue
		}
		for _, p := range rt.doc.parameters {
			q, h := url.Values{"entity": {"items"}, "id": {"1"}}, http.Header{}
			if p.in == "header" {
				h.Set(p.name, "x")
			} else if !q.Has(p.name) {
				q.Set(p.name, "x")
			}
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/live?"+q.Encode(), nil)
			require.NoError(t, err)
			r.Header = h
			resp, err := http.DefaultClient.Do(r)
			require.NoError(t, err)
			require.Equal(t, 200, resp.StatusCode, p.name)
			require.NoError(t, resp.Body.Close())
		}
	}
	requireProblem(t, g.do("GET", "/ws/entity-sync/?protocol=3", ""), 400, "protocol must be")
}
