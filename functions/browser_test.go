package functions

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/platform/auth"
)

// everything is a configuration in which every kind of route leads somewhere.
const everything = `,"feeds":[{"name":"d","routes":[{"when":"true","eventKey":"entry1"}]}],"hooks":[{"name":"h","verify":{"type":"none"},"event":{"eventKey":"entry1"}}],"drafts":[{"name":"d","records":{"orgId":"o","type":"t"}}]`

// Headers by which a browser marks a request of a page of another origin.
var foreignPages = map[string][]string{
	"image":                   {"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"},
	"link":                    {"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"},
	"form":                    {"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Origin", "https://evil.test", "Content-Type", "text/plain"},
	"fetch":                   {"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "cors", "Origin", "https://evil.test"},
	"another port":            {"Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "cors", "Origin", "http://example.com:81"},
	"sandbox":                 {"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "cors", "Origin", "null"},
	"old browser":             {"Origin", "https://evil.test"},
	"old browser, other port": {"Origin", "http://example.com:81"},
	"websocket":               {"Origin", "https://evil.test", "Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="},
}

// Headers of requests for parts of a page, which may have no origin.
var partsOfPages = map[string][]string{
	"image without https":  {"User-Agent", "Mozilla/5.0 (X11; Linux x86_64)", "Accept-Language", "en"},
	"fetch without https":  {"User-Agent", "Mozilla/5.0 (X11; Linux x86_64)", "Accept-Language", "", "Accept", "", "Accept-Encoding", "gzip, deflate"},
	"fetch with any value": {"User-Agent", "Mozilla/5.0 (X11; Linux x86_64)", "Accept-Language", "*", "Accept", "*/*"},
	"no language at all":   {"User-Agent", "Mozilla/5.0 (X11; Linux x86_64)", "Accept", "*/*", "Accept-Encoding", "gzip, deflate"},
	"image of our own":     {"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"},
	"prefetch":             {"Sec-Fetch-Site", "none", "Sec-Fetch-Mode", "navigate", "Sec-Purpose", "prefetch;prerender"},
}

var allMethods = []string{"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"}

// actsByGet has the paths at which GET changes something.
var actsByGet = []string{"/event/entry1", "/event", "/event/trigger", "/events/entry1", "/feed/d", "/feeds/d", "/trigger", "/reset"}

// connectsByGet has the paths at which GET opens a live connection.
var connectsByGet = []string{"/ws/entity-sync/", "/live"}

// paths returns a path of every route.
func (g *gateway) paths() (paths []string) {
	guard, err := auth.New(nil, nil, nil)
	require.NoError(g, err)
	fill := strings.NewReplacer("{$}", "", "{key...}", "entry1", "{eventID}", "x", "{id}", "s", "{runId}", "r", "{recordId}", "1", "{org}", "o", "{type}", "t",
		"{n}", "1", "{name}", "d", "{action}", "discard", "{file}", "app.js", "GET ", "")
	for pattern := range newBuilder(g.app, guard, Names()).access {
		paths = append(paths, fill.Replace(pattern))
	}
	require.Greater(g, len(paths), 40)
	return append(paths, "/hooks/h", "/nothing")
}

// version changes with every commit to the store.
func (g *gateway) version() func() int {
	db, err := sql.Open("sqlite", "file:"+g.db)
	require.NoError(g, err)
	g.Cleanup(func() { _ = db.Close() })
	c, err := db.Conn(context.Background())
	require.NoError(g, err)
	g.Cleanup(func() { _ = c.Close() })
	return func() (n int) {
		require.NoError(g, c.QueryRowContext(context.Background(), "PRAGMA data_version").Scan(&n))
		return n
	}
}

// plain sends a request, and does not compare the answer with the OpenAPI document.
func (g *gateway) plain(method, target, body string, headers ...string) answer {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	g.h.ServeHTTP(w, r)
	return answer{status: w.Code, header: w.Header(), raw: w.Body.Bytes()}
}

// At every route, by every method that acts there, a page of another origin is
// answered 403 and changes nothing.
func TestPagesOfOtherOriginsChangeNothing(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(everything))
	g.event("entry1", "waits")
	g.do("GET", "/drafts/d", "") // the first reader of a draft creates it
	version := g.version()
	before := version()
	try := func(kind string, headers []string, method, path string, refused bool) {
		body := ""
		if !slices.Contains([]string{"GET", "HEAD", "OPTIONS"}, method) {
			body = `{"id":"s","orgId":"o","type":"pull","datasource":{"type":"csv","fileUrl":"a.csv","selectedDatatypes":["t"]}}`
		}
		a := g.plain(method, path, body, headers...)
		if refused {
			require.Equal(t, 403, a.status, "%s: %s %s: %s", kind, method, path, a.raw)
			require.Equal(t, "application/problem+json", a.header.Get("Content-Type"))
			require.Empty(t, a.header.Get("Access-Control-Allow-Origin"))
		}
	}
	for _, path := range g.paths() {
		gets, connects := slices.Contains(actsByGet, path), slices.Contains(connectsByGet, path)
		for _, prefix := range []string{"", "/services/My%20First%20Event%20Sync"} {
			for _, method := range allMethods {
				safe := method == "GET" || method == "HEAD" || method == "OPTIONS"
				for kind, headers := range foreignPages {
					if connects && safe && method != "OPTIONS" {
						try(kind, headers, method, prefix+path+"?entity=items&id=1", true)
					} else if !connects {
						try(kind, headers, method, prefix+path, !safe || gets)
					}
				}
				for kind, headers := range partsOfPages {
					if gets && safe {
						try(kind, headers, method, prefix+path, true)
					}
				}
			}
		}
	}
	require.Equal(t, before, version(), "something was committed")
	require.Empty(t, g.bus.all())
	require.Empty(t, g.app.Live().Hub.Clients())
	require.Equal(t, 1, g.do("POST", "/reset", "").num("reset"), "the event still waits")
	require.NotEqual(t, before, version(), "the test sees commits")
}

// programs has the headers of callers that are not browsers, as observed.
var programs = map[string][]string{
	"curl":                     nil,
	"curl that names itself":   {"User-Agent", "curl/8.5.0", "Accept", "*/*"},
	"curl --compressed":        {"User-Agent", "curl/7.88.1", "Accept", "*/*", "Accept-Encoding", "deflate, gzip, br, zstd"},
	"Wget":                     {"User-Agent", "Wget/1.21.3", "Accept", "*/*", "Accept-Encoding", "identity", "Connection", "Keep-Alive"},
	"Go":                       {"User-Agent", "Go-http-client/1.1", "Accept-Encoding", "gzip"},
	"Python's requests":        {"User-Agent", "python-requests/2.34.2", "Accept-Encoding", "gzip, deflate", "Accept", "*/*", "Connection", "keep-alive"},
	"Python's urllib":          {"User-Agent", "Python-urllib/3.11", "Accept-Encoding", "identity", "Connection", "close"},
	"Node's fetch":             {"User-Agent", "node", "Accept", "*/*", "Accept-Language", "*", "Sec-Fetch-Mode", "cors", "Accept-Encoding", "gzip, deflate", "Connection", "keep-alive"},
	"Node's http":              {"Connection", "keep-alive"},
	"Deno's fetch":             {"User-Agent", "Deno/2.9.6", "Accept", "*/*", "Accept-Language", "*", "Accept-Encoding", "gzip,br"},
	"Bun's fetch":              {"User-Agent", "Bun/1.4.5", "Accept", "*/*", "Accept-Encoding", "gzip, deflate, br, zstd", "Connection", "keep-alive"},
	"Java's HttpClient":        {"User-Agent", "Java-http-client/17.0.15", "Connection", "Upgrade, HTTP2-Settings", "Upgrade", "h2c", "Http2-Settings", "AAEAAEAAAAIAAAAAAAMAAAAAAAQBAAAAAAUAAEAAAAYABgAA"},
	"Java's URLConnection":     {"User-Agent", "Java/17.0.15", "Accept", "text/html, image/gif, image/jpeg, */*; q=0.2", "Connection", "keep-alive"},
	"PowerShell":               {"User-Agent", "Mozilla/5.0 (Windows NT 10.0; Microsoft Windows 10.0.22631; en-US) PowerShell/7.4.6", "Accept-Encoding", "gzip, deflate, br"},
	"Windows PowerShell":       {"User-Agent", "Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1.22621", "Connection", "Keep-Alive"},
	"Scheduler":                {"User-Agent", "Google-Cloud-Scheduler", "X-CloudScheduler", "true", "Accept-Encoding", "gzip, deflate, br"},
	"Pub/Sub":                  {"User-Agent", "CloudPubSub-Google", "From", "noreply@google.com", "Accept", "application/json", "Accept-Encoding", "gzip, deflate, br"},
	"GitHub":                   {"User-Agent", "GitHub-Hookshot/044aadd", "Accept", "*/*", "X-GitHub-Event", "push", "X-GitHub-Delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958"},
	"Stripe":                   {"User-Agent", "Stripe/1.0 (+https://stripe.com/docs/webhooks)", "Accept", "*/*; q=0.5, application/xml", "Accept-Encoding", "gzip"},
	"a webhook like a browser": {"User-Agent", "Mozilla/5.0 (compatible; Hooks/1.0)", "Accept-Encoding", "gzip, deflate"},
}

// The rules for pages of other origins do not affect other callers.
func TestOthersActAsBefore(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(`,"publicURL":"https://gate.example/headgate"`))
	others := map[string][]string{
		"our own page":            {"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "cors", "Origin", "http://example.com"},
		"our own page, old":       {"Origin", "http://example.com"},
		"our own page, with port": {"Origin", "http://example.com:80"},
		"behind a proxy":          {"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "cors", "Origin", "https://elsewhere.example"},
		"behind a proxy, old":     {"Origin", "https://gate.example"},
		"an address typed":        {"Sec-Fetch-Site", "none", "Sec-Fetch-Mode", "navigate", "User-Agent", "Mozilla/5.0", "Accept-Language", "en"},
		"a link of our own":       {"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "navigate", "User-Agent", "Mozilla/5.0", "Accept-Language", "en"},
	}
	maps.Copy(others, programs)
	for kind, headers := range others {
		for _, method := range []string{"GET", "POST"} {
			require.Equal(t, 200, g.do(method, "/event/entry1", "x", headers...).status, "%s %s", kind, method)
			require.Equal(t, 1, g.do(method, "/reset", "", headers...).num("reset"), "%s %s", kind, method)
			require.Equal(t, 200, g.do(method, "/trigger", "", headers...).status, "%s %s", kind, method)
		}
	}
	// A page of another origin may link to pages here that change nothing.
	for _, path := range []string{"/console", "/status", "/healthz"} {
		require.NotContains(t, g.do("GET", path, "", foreignPages["link"]...).str("detail"), "another origin")
	}
}

// A listed origin may do everything that the list allows.
func TestListedOrigins(t *testing.T) {
	t.Parallel()
	parse := func(more string, env ...string) *gateway {
		cfg, err := config.Parse([]byte(oneService(more)))
		require.NoError(t, err)
		cfg.ApplyEnv(func(name string) string {
			if slices.Contains(env, name) {
				return "true"
			}
			return ""
		})
		return newGatewayOf(t, cfg, true)
	}
	page := func(origin string) []string {
		return []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "cors", "Origin", origin}
	}
	const app, appPort, plain, other = "https://app.test", "https://app.test:443", "http://app.test", "https://other.test"
	socket := append(slices.Clone(foreignPages["websocket"][2:]), "Origin")
	for _, c := range []struct {
		name                      string
		g                         *gateway
		sends, operates, connects []string // origins; all of them read where they operate
	}{
		{"nobody", parse(""), nil, nil, nil},
		{"cors", parse(`,"cors":{"allowedOrigins":["https://app.test:443"]}`), []string{app, appPort}, []string{app, appPort}, []string{app, appPort}},
		{"cors, the other way", parse(`,"cors":{"allowedOrigins":["HTTP://App.test:80"]}`), []string{plain}, []string{plain}, []string{plain}},
		{"cors, any", parse(`,"cors":{"allowedOrigins":["*"]}`), []string{app, appPort, plain, other}, []string{app, appPort, plain, other}, []string{app, appPort, plain, other}},
		{"live", parse(`,"live":{"allowedOrigins":["app.test:443"]}`), nil, nil, []string{app, appPort}},
		{"live, no port", parse(`,"live":{"allowedOrigins":["APP.test"]}`), nil, nil, []string{app, appPort, plain}},
		{"live, with the scheme", parse(`,"live":{"allowedOrigins":["http://app.test:80"]}`), nil, nil, []string{plain}},
		{"live, pattern", parse(`,"live":{"allowedOrigins":["*.test"]}`), nil, nil, []string{app, appPort, plain, other}},
		{"DISABLE_CORS", parse("", "DISABLE_CORS"), []string{app, appPort, plain, other}, nil, nil},
		{"DISABLE_CORS and cors", parse(`,"cors":{"allowedOrigins":["https://app.test"]}`, "DISABLE_CORS"), []string{app, appPort, plain, other}, []string{app, appPort}, []string{app, appPort}},
		{"publicURL", parse(`,"publicURL":"https://app.test:443/x"`), []string{app, appPort}, []string{app, appPort}, []string{app, appPort}},
	} {
		for _, from := range []string{app, appPort, plain, other} {
			status := func(may []string) int {
				if slices.Contains(may, from) {
					return 200
				}
				return 403
			}
			name := c.name + ": " + from
			for _, method := range []string{"POST", "GET"} {
				require.Equal(t, status(c.sends), c.g.do(method, "/event/entry1", "x", page(from)...).status, name)
				require.Equal(t, status(c.operates), c.g.do(method, "/reset", "", page(from)...).status, name)
				require.Equal(t, status(c.operates), c.g.do(method, "/event/trigger", "", page(from)...).status, name)
			}
			require.Equal(t, 403, c.g.do("GET", "/reset", "", foreignPages["image"]...).status, "an image has no origin to trust")
			if c.name == "publicURL" { // our own pages need no CORS
				continue
			}
			reads := c.g.do("GET", "/status", "", page(from)...)
			require.Equal(t, 200, reads.status)
			require.Equal(t, slices.Contains(c.operates, from), reads.header.Get("Access-Control-Allow-Origin") != "", name)
			preflight := append(page(from), "Access-Control-Request-Method", "POST")
			require.Equal(t, slices.Contains(c.operates, from), c.g.plain("OPTIONS", "/reset", "", preflight...).header.Get("Access-Control-Allow-Origin") != "", name)
			require.Equal(t, slices.Contains(c.sends, from), c.g.plain("OPTIONS", "/event/entry1", "", preflight...).header.Get("Access-Control-Allow-Origin") != "", name)
			connected := c.g.plain("GET", "/ws/entity-sync/", "", append(slices.Clone(socket), from)...).status
			if slices.Contains(c.connects, from) {
				require.NotEqual(t, 403, connected, name) // a recorder cannot be a socket
			} else {
				require.Equal(t, 403, connected, name)
			}
		}
		c.g.do("POST", "/reset", "")
	}
	// The alias of the trigger is an endpoint if an endpoint has that name.
	named := strings.Replace(oneService(""), "entry1", "trigger", 1)
	cfg, err := config.Parse([]byte(named))
	require.NoError(t, err)
	cfg.ApplyEnv(func(name string) string { return map[string]string{"DISABLE_CORS": "1"}[name] })
	require.Equal(t, 200, newGatewayOf(t, cfg, true).do("POST", "/event/trigger", "x", page(other)...).status)
}

// on makes g's requests arrive on an address of this machine.
func (g *gateway) on(address, host, method, path string, headers ...string) answer {
	g.Helper()
	r := httptest.NewRequest(method, path, nil)
	r.Host = host
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	local, err := net.ResolveTCPAddr("tcp", address)
	require.NoError(g, err)
	return g.send(r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, net.Addr(local))))
}

// A page whose host name an attacker pointed at this machine reaches no route.
func TestHosts(t *testing.T) {
	t.Parallel()
	const loopback, lan = "127.0.0.1:8080", "192.168.1.5:8080"
	g := newGatewayOn(t, oneService(everything+`,"publicURL":"https://gate.example:8443/x"`), true)
	g.event("entry1", "waits")
	version := g.version()
	before := version()
	for _, path := range g.paths() {
		for _, method := range allMethods {
			a := g.on(loopback, "rebound.test:8080", method, path)
			if path == "/healthz" || path == "/readyz" {
				require.NotEqual(t, 403, a.status, path)
				continue
			}
			require.Equal(t, 403, a.status, "%s %s: %s", method, path, a.raw)
			if method != "HEAD" {
				require.Contains(t, a.str("detail"), "allowedHosts")
			}
		}
	}
	require.Equal(t, before, version())
	for _, host := range []string{
		"localhost", "LOCALHOST:1", "localhost.:8080", "a.localhost:8080", "127.0.0.1", "127.0.0.1:9", "127.1.2.3", "[::1]", "[::1]:8080", "gate.example", "gate.example:8443", "Gate.Example:1", "",
	} {
		require.Equal(t, 200, g.on(loopback, host, "GET", "/status").status, host)
		require.Equal(t, 200, g.on("[::1]:8080", host, "GET", "/status").status, host)
	}
	for _, host := range []string{"192.168.1.5", "0.0.0.0:8080", "localhost.evil.test", "evil.test", "xlocalhost", "127.0.0.1.evil.test", "gate.example.evil.test", "169.254.169.254"} {
		require.Equal(t, 403, g.on(loopback, host, "GET", "/status").status, host)
		require.Equal(t, 200, g.on(lan, host, "GET", "/status").status, "%s: not over loopback", host)
	}
	cloud := newGateway(t, oneService(""))
	// Requests to a container's port do not arrive over loopback, nor do those over a local network.
	browsers := map[string][]string{
		"as it is":             {"User-Agent", "Mozilla/5.0", "Accept-Language", "en"},
		"without a language":   {"User-Agent", "Mozilla/5.0", "Accept-Language", "", "Accept", ""},
		"under another name":   {"User-Agent", "curl/8.5.0", "Accept-Language", "", "Accept", "*/*", "Accept-Encoding", "gzip, deflate"},
		"for a part of a file": {"User-Agent", "curl/8.5.0", "Accept-Language", "", "Range", "bytes=0-", "Accept-Encoding", "identity"},
		"without a name":       {"User-Agent", "", "Accept-Language", "*"},
		"no language at all":   {"User-Agent", "Mozilla/5.0 (X11; Linux x86_64)", "Accept-Encoding", "gzip, deflate"},
	}
	for host, want := range map[string]int{
		"evil.test": 403, "evil.test:8080": 403, "0.0.0.0:8080": 403, "192.168.1.5.evil.test": 403,
		"localhost:8080": 200, "127.0.0.1:8080": 200, "192.168.1.5:8080": 200, "10.1.1.1": 200, "[fe80::1]:8080": 200, "gate.example": 200,
	} {
		for kind, headers := range browsers {
			require.Equal(t, want, g.on("172.17.0.2:8080", host, "GET", "/status", headers...).status, "a browser %s, of %s", kind, host)
			require.Equal(t, 200, cloud.on("172.17.0.2:8080", host, "GET", "/status", headers...).status, "on Cloud Run the platform checks the host")
		}
		for kind, headers := range programs {
			require.Equal(t, 200, g.on("172.17.0.2:8080", host, "GET", "/status", headers...).status, "%s, of %s", kind, host)
		}
	}
	require.Equal(t, 200, cloud.on(loopback, "headgate-abc.a.run.app", "GET", "/status").status, "on Cloud Run the platform checks the host")

	for _, background := range []bool{true, false} {
		listed := newGatewayOn(t, oneService(`,"allowedHosts":["gate.example:443","192.168.1.5"]`), background)
		for host, want := range map[string]int{"gate.example": 200, "gate.example:443": 200, "gate.example:9": 403, "192.168.1.5:8080": 200, "localhost:8080": 200, "10.1.1.1": 403, "evil.test": 403} {
			for _, address := range []string{loopback, lan} {
				require.Equal(t, want, listed.on(address, host, "GET", "/status").status, "%s on %s", host, address)
			}
		}
		require.Equal(t, 200, listed.on("10.1.1.1:8080", "10.1.1.1:8080", "GET", "/status").status, "nobody can point an IP address elsewhere")
		require.Equal(t, 200, listed.on(lan, "evil.test", "GET", "/healthz").status, "a probe")
	}
	require.NotContains(t, fmt.Sprint(g.on(loopback, "x", "GET", "/status").header), "Access-Control")
}
