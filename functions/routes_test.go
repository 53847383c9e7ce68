package functions

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/auth"
	"github.com/headgate/headgate/internal/platform/web"
)

// method returns a method that the route accepts.
func (rt route) method() string {
	if rt.methods == anyMethod {
		return "POST"
	}
	return strings.Fields(rt.methods)[0]
}

// described reports whether the route belongs in the OpenAPI document.
func (rt route) described() bool {
	return rt.path != "/" && rt.path != "/{$}" && rt.path != "/console/{$}"
}

// example returns a path of the route.
func (rt route) example() string {
	return strings.NewReplacer("{key...}", "entry1", "{$}", "", "{n}", "1", "{file}", "app.js", "{action}", "keep",
		"{eventID}", "x", "{id}", "x", "{runId}", "x", "{recordId}", "x", "{org}", "x", "{type}", "x", "{name}", "x").Replace(rt.path)
}

func TestAuth(t *testing.T) {
	t.Parallel()
	token := func(role string) string {
		sum := sha256.Sum256([]byte("token-" + role))
		return fmt.Sprintf(`{"name":%q,"sha256":%q,"roles":[%q]}`, role, hex.EncodeToString(sum[:]), role)
	}
	g := newGateway(t, oneService(`,"auth":{"tokens":[`+token("ingest")+","+token("operate")+","+token("read")+`]}`))
	for _, rt := range routes {
		if rt.role == public || rt.role == auth.Any {
			continue
		}
		method, path, role := rt.method(), rt.example(), rt.role
		requireProblem(t, g.do(method, path, ""), 401, "credentials are missing or not valid")
		requireProblem(t, g.do(method, path, "", "Authorization", "Bearer wrong"), 401, "credentials are missing or not valid")
		body := "[]"
		if strings.HasPrefix(path, "/drafts") {
			body = "" // the role is asked for before the draft, whose absence is told
		}
		for _, has := range []string{"ingest", "operate", "read"} {
			a := g.do(method, path, body, "Authorization", "Bearer token-"+has)
			if has == role {
				require.NotContains(t, []int{401, 403}, a.status, "%s %s", path, has)
			} else {
				requireProblem(t, a, 403, "not allowed")
			}
		}
	}
	require.Equal(t, 401, g.do("GET", "/openapi.json", "").status)
	require.Equal(t, 200, g.do("GET", "/openapi.json", "", "Authorization", "Bearer token-ingest").status)
	require.Equal(t, 200, g.do("GET", "/healthz", "").status)
	a := g.do("GET", "/config", "", "Authorization", "Bearer token-read")
	require.Contains(t, string(a.raw), "REDACTED")

	g.do("POST", "/event/entry1", "x", "Authorization", "Bearer token-ingest", "Cookie", "c=1")
	id := g.do("POST", "/trigger", "", "Authorization", "Bearer token-operate").str("triggered")
	whole := g.do("GET", "/messages/"+id, "", "Authorization", "Bearer token-read")
	require.NotContains(t, string(whole.raw), "token-ingest")
	require.NotContains(t, string(whole.raw), "c=1")
}

func TestFunctionsServeTheirPathsOnly(t *testing.T) {
	t.Parallel()
	for _, name := range Names() {
		g := newGateway(t, oneService(""), name)
		for _, rt := range routes {
			if !rt.described() {
				continue
			}
			a := g.do(rt.method(), rt.example(), "[]")
			served := a.str("detail") != "no such path: see /openapi.json"
			require.Equal(t, rt.function == "" || rt.function == name, served, "%s at %s", rt.path, name)
		}
	}
	_, err := Handler(newGateway(t, oneService("")).app, "nope")
	require.ErrorContains(t, err, "ingest")
}

// All methods of a path have the same rules for web pages, because these are checked before
// the method.
func TestRoutesOfAPathHaveOneAccess(t *testing.T) {
	t.Parallel()
	access := map[string]web.Access{}
	for _, rt := range routes {
		if have, ok := access[rt.path]; ok {
			require.Equal(t, have, rt.onGet, rt.path)
		}
		access[rt.path] = rt.onGet
	}
}

func TestOtherMethodsAreRefused(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(""))
	allowed := map[string][]string{}
	for _, rt := range routes {
		if !rt.described() {
			continue
		}
		for _, m := range strings.Fields(rt.methods) {
			allowed[rt.example()] = append(allowed[rt.example()], m)
			if m == "GET" {
				allowed[rt.example()] = append(allowed[rt.example()], "HEAD")
			}
		}
	}
	for path, methods := range allowed {
		if methods[0] == anyMethod {
			continue
		}
		a := g.do("TRACE", path, "")
		requireProblem(t, a, 405, "the method is not allowed here")
		require.Equal(t, strings.Join(methods, ", "), a.header.Get("Allow"), path)
	}
}

// No browser guesses what an answer is: neither one of a route, whatever its method, nor one
// that no route gave.
func TestNoAnswerIsSniffed(t *testing.T) {
	t.Parallel()
	g := newGatewayOn(t, oneService(""), true)
	sniffed := func(h http.Handler, method, target string, header ...string) {
		r := httptest.NewRequest(method, target, strings.NewReader("[]"))
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		ctx, cancel := context.WithCancel(r.Context())
		cancel() // a stream of events ends at once
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r.WithContext(ctx))
		require.Equal(t, []string{"nosniff"}, w.Result().Header["X-Content-Type-Options"], "%s %s: %d", method, target, w.Code)
	}
	for _, rt := range routes {
		for _, method := range append(strings.Fields(strings.Replace(rt.methods, anyMethod, "POST", 1)), "OPTIONS", "TRACE") {
			sniffed(g.h, method, rt.example())
		}
	}
	sniffed(g.h, "GET", "/nothing")
	sniffed(g.h, "GET", "//status")
	sniffed(g.h, "GET", "/services/s//status")
	sniffed(g.h, "POST", "/trigger", "Sec-Fetch-Site", "cross-site")
	beside := Beside(g.app, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	sniffed(beside, "GET", "/")
	sniffed(beside, "POST", "/", "Sec-Fetch-Site", "cross-site")
}

// Every served route is described, and every described route is served.
func TestDocumentAndRoutes(t *testing.T) {
	t.Parallel()
	want := map[string]bool{}
	for _, rt := range routes {
		if !rt.described() {
			continue
		}
		path := strings.Replace(rt.path, "...", "", 1)
		want[path] = true
		if _, of := rt.handle.(perService); of || path == "/config" || path == triggerAliasPath {
			want["/services/{service}"+path] = true
		}
		for _, m := range strings.Fields(strings.Replace(rt.methods, anyMethod, "POST", 1)) {
			require.NotNil(t, api.at(api.raw, "paths", path, strings.ToLower(m)), "%s %s", m, path)
		}
	}
	paths := api.at(api.raw, "paths").(map[string]any)
	ids := map[string]bool{}
	for p, item := range paths {
		require.True(t, want[p], "%s is described and not served", p)
		for m, op := range item.(map[string]any) {
			if id, ok := api.at(op, "operationId").(string); ok {
				require.False(t, ids[id], "%s %s: %s twice", m, p, id)
				ids[id] = true
			}
		}
	}
	for p := range want {
		require.NotNil(t, paths[p], "%s is served and not described", p)
	}
}
