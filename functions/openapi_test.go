package functions

import (
	"bytes"
	"fmt"

	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
)

// document is the OpenAPI document, ready to check answers with.
type document struct {
	raw      map[string]any
	compiler *jsonschema.Compiler
	mu       sync.Mutex
}

var api = loadDocument()

func loadDocument() *document {
	raw, err := jsonschema.UnmarshalJSON(bytes.NewReader(openapiJSON))
	if err != nil {
		panic(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	if err := c.AddResource("openapi.json", raw); err != nil {
		panic(err)
	}
	return &document{raw: raw.(map[string]any), compiler: c}
}

// at follows keys and references.
func (d *document) at(v any, keys ...string) any {
	for _, k := range keys {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		if ref, ok := m["$ref"].(string); ok {
			m, _ = d.at(d.raw, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...).(map[string]any)
		}
		v = m[k]
	}
	return v
}

// path returns the template in the document that a request's path matches.
func (d *document) path(p string) string {
	if rest, ok := strings.CutPrefix(p, "/services/"); ok {
		if i := strings.IndexByte(rest, '/'); i >= 0 {
			if t := d.path(rest[i:]); t != "" {
				return "/services/{service}" + t
			}
		}
		return ""
	}
	switch {
	case strings.HasPrefix(p, "/event/") && p != "/event/trigger":
		return "/event/{key}"
	case strings.HasPrefix(p, "/events/"):
		return "/events/{key}"
	case strings.HasPrefix(p, "/messages/") && strings.HasSuffix(p, "/replay"):
		return "/messages/{eventID}/replay"
	case strings.HasPrefix(p, "/messages/"):
		return "/messages/{eventID}"
	}
	paths, _ := d.raw["paths"].(map[string]any)
	if paths[p] != nil {
		return p
	}
	found := ""
	for template := range paths { // the one with the fewest parameters
		if matches(template, p) && (found == "" || strings.Count(template, "{") < strings.Count(found, "{")) {
			found = template
		}
	}
	return found
}

// matches reports whether the path fits the template, in which {name} stands for a segment.
func matches(template, path string) bool {
	want, have := strings.Split(template, "/"), strings.Split(path, "/")
	if len(want) != len(have) {
		return false
	}
	for i := range want {
		if want[i] != have[i] && !strings.HasPrefix(want[i], "{") {
			return false
		}
	}
	return true
}

// check requires that the document describes the answer.
func (d *document) check(t testing.TB, r *http.Request, a answer) {
	t.Helper()
	template := d.path(r.URL.EscapedPath())
	op := d.at(d.raw, "paths", template, strings.ToLower(r.Method))
	if op == nil || a.header.Get("Access-Control-Allow-Methods") != "" {
		return // an undescribed request, which 404 and 405 are for, or a preflight
	}
	if template == "/event/trigger" || template == "/services/{service}/event/trigger" {
		return // an endpoint of that name wins: two shapes
	}
	resp := d.at(op, "responses", fmt.Sprint(a.status))
	require.NotNil(t, resp, "%s %s answers %d, which is not described: %s", r.Method, r.URL, a.status, a.raw)
	if len(a.raw) == 0 || r.Method == http.MethodHead {
		return
	}
	ct := a.header.Get("Content-Type")
	require.NotNil(t, d.at(resp, "content", ct), "%s %s answers with %s", r.Method, r.URL, ct)
	name, _ := d.at(resp, "content", ct, "schema", "$ref").(string)
	if schema, ok := d.at(resp, "content", ct).(map[string]any)["schema"].(map[string]any); ok {
		name, _ = schema["$ref"].(string)
	}
	if name == "" {
		return
	}
	d.mu.Lock()
	sch, err := d.compiler.Compile("openapi.json" + name)
	d.mu.Unlock()
	require.NoError(t, err)
	values := [][]byte{a.raw}
	if ct == jsonLines {
		values = slices.Collect(bytes.Lines(a.raw))
	}
	for _, value := range values {
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(value))
		require.NoError(t, err)
		require.NoError(t, sch.Validate(v), "%s %s: %s", r.Method, r.URL, value)
	}
}
