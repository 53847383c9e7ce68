package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// attack is the script of a page that attacks the process at a base URL. It uses every kind
// of request that a browser sends without asking its user, and returns what the page saw.
const attack = `(async (base) => {
	const seen = {};
	const wait = (start) => new Promise((done) => { start(done); setTimeout(() => done("nothing within 20 s"), 20000); });
	const image = (path) => wait((done) => {
		const i = new Image();
		i.onload = i.onerror = () => done();
		i.src = base + path;
	});
	const frame = document.createElement("iframe");
	frame.name = "hidden";
	document.body.append(frame);
	const loaded = (start) => wait((done) => { frame.onload = () => done("loaded"); start(); });

	for (const path of ["/reset", "/trigger", "/event/trigger", "/event/entry2"]) await image(path);
	for (const path of ["/reset", "/trigger", "/event/entry2"]) await loaded(() => { frame.src = base + path; });

	const form = document.createElement("form");
	Object.assign(form, { method: "post", enctype: "text/plain", action: base + "/sync", target: "hidden" });
	const input = document.createElement("input");
	input.name = '{"id":"stolen","orgId":"o","type":"pull","datasource":{"type":"csv","fileUrl":"a.csv","selectedDatatypes":["t"]},"name":"';
	input.value = '"}';
	form.append(input);
	document.body.append(form);
	await loaded(() => form.submit());

	const tried = (path, init) => fetch(base + path, init).then(async (r) => r.type === "opaque" ? "opaque" : r.status + " " + await r.text(), (e) => "failed: " + e.message);
	for (const [method, path] of [["GET", "/reset"], ["POST", "/reset"], ["POST", "/trigger"], ["POST", "/event/entry2"], ["HEAD", "/event/entry2"], ["POST", "/events/entry2"],
		["POST", "/sweep"], ["POST", "/notify"], ["POST", "/sync/stolen/run"], ["POST", "/example/set-tasks"], ["POST", "/drafts/task-list-1/save"]]) {
		await tried(path, { method, mode: "no-cors", body: method === "POST" ? '[{"name":"by no-cors"}]' : undefined });
	}
	// A request from which the page has removed as many signs of a browser as it can.
	const bare = { headers: { "Accept-Language": "", "Accept": "", "User-Agent": "curl/8.5.0" }, referrerPolicy: "no-referrer", credentials: "omit", cache: "no-store" };
	for (const path of ["/reset?bare", "/trigger?bare", "/event/entry2?bare"]) await tried(path, { ...bare, mode: "no-cors" });
	seen.bare = await tried("/config", bare);
	seen.config = await tried("/config");
	seen.reset = await tried("/reset");
	seen.put = await tried("/orgs/default/items/1", { method: "PUT", body: '{"n":1}' });

	const ws = base.replace(/^http/, "ws") || location.origin.replace(/^http/, "ws");
	seen.socket = await wait((done) => {
		const s = new WebSocket(ws + "/ws/entity-sync/?protocol=2");
		s.onmessage = (m) => { done("open: " + m.data); s.close(); };
		s.onerror = () => done("refused");
	});
	seen.stream = await wait((done) => {
		const s = new EventSource(base + "/live?entity=items&id=1");
		s.onopen = () => { done("open"); s.close(); };
		s.onerror = () => { done("refused"); s.close(); };
	});
	return JSON.stringify(seen);
})`

// tries runs the attack in the page.
func tries(t *testing.T, page context.Context, base string) (seen map[string]string) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(js[string](t, page, attack+"("+quote(base)+")")), &seen))
	return seen
}

// untouched requires that the process has not changed: one event of entry1 waits.
func (p *process) untouched(t *testing.T) {
	t.Helper()
	s := p.status(t)
	require.Equal(t, 1, s.have(), "%+v", s)
	require.Empty(t, p.messages(t))
	require.NoError(t, p.expect(404, "GET", "/sync/stolen"))
	require.NoError(t, p.expect(404, "GET", "/orgs/default/items/1"))
	require.Zero(t, read[struct{ Count int }](t, p, "GET", "/live/clients").Count)
	_, tasks, err := p.call("GET", "/example/fetch-tasks", "")
	require.NoError(t, err)
	require.NotContains(t, string(tasks), "no-cors")
}

// refused requires that each of the requests reached the process, and was refused.
func (p *process) refused(t *testing.T, requests ...string) {
	t.Helper()
	for _, r := range requests {
		method, path, _ := strings.Cut(r, " ")
		require.Contains(t, p.stderr.String(), fmt.Sprintf(`msg="request failed" method=%s path=%s status=403`, method, path))
	}
}

var everyAttack = []string{
	"GET /reset", "GET /trigger", "GET /event/trigger", "GET /event/entry2", "POST /sync", "POST /reset", "POST /trigger", "POST /event/entry2",
	"HEAD /event/entry2", "POST /events/entry2", "POST /sweep", "POST /notify", "POST /sync/stolen/run", "POST /example/set-tasks", "POST /drafts/task-list-1/save",
	"GET /ws/entity-sync/", "GET /live",
}

// A web page that is open on this machine can neither operate nor read the process. It
// tries images, frames, forms, fetch, WebSocket and event stream: from another port, from
// another site, and under a name of its own that points at this machine.
func TestAttackFromAWebPage(t *testing.T) {
	t.Parallel()
	slow(t)
	pages := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<!doctype html><title>a page</title><body></body>"))
	}))
	t.Cleanup(pages.Close)
	u, err := url.Parse(pages.URL)
	require.NoError(t, err)
	at := func(host string) string { return "http://" + host + ":" + u.Port() }

	lan := beyondLoopback(t)
	rules := "MAP *.test 127.0.0.1"
	if lan != "" {
		rules += ",MAP *.lan " + lan
	}
	page := browser(t, "about:blank", chromedp.Flag("host-resolver-rules", rules))
	visit := func(address string) {
		_, err := chromedp.Run(page, chromedp.Navigate(address))
		require.NoError(t, err)
	}

	for _, origin := range []string{pages.URL, at("evil.test"), at("localhost")} {
		p := start(t, options{args: []string{"-v"}})
		p.event(t, "entry1", "waits")
		visit(origin)
		seen := tries(t, page, p.base)
		for _, what := range []string{"config", "reset", "put"} {
			require.Contains(t, seen[what], "failed", "%s: %v", origin, seen)
		}
		require.Equal(t, "refused", seen["socket"], origin)
		require.Equal(t, "refused", seen["stream"], origin)
		_, _ = chromedp.Run(page, chromedp.Evaluate[any]("location = "+quote(p.base+"/reset")))
		eventually(t, "the page is led to /reset", func() error {
			if text := js[string](t, page, "document.body.innerText"); !strings.Contains(text, "another origin") {
				return fmt.Errorf("it shows %s", text)
			}
			return nil
		})
		p.untouched(t)
		p.refused(t, everyAttack...)
	}

	rebinds := func(t *testing.T, addr, name string) {
		p := start(t, options{addr: addr, args: []string{"-v"}})
		p.event(t, "entry1", "waits")
		_, port, _ := strings.Cut(p.addr, ":")
		visit("http://" + name + ":" + port + "/console")
		require.Contains(t, js[string](t, page, "document.body.innerText"), "allowedHosts")
		visit("http://" + name + ":" + port + "/healthz") // any page, to have the attacker's origin
		seen := tries(t, page, "")
		for _, what := range []string{"config", "bare", "reset", "put"} {
			require.Contains(t, seen[what], "403 ", "%s: %v", what, seen)
			require.NotContains(t, seen[what], "endpoints")
		}
		require.Equal(t, "refused", seen["socket"])
		require.Equal(t, "refused", seen["stream"])
		p.untouched(t)
		p.refused(t, everyAttack...)
	}
	t.Run("rebinding", func(t *testing.T) { rebinds(t, "", "rebound.test") })

	// To a host that is neither https nor loopback, a browser sends no origin, except with a
	// body or a CORS request.
	t.Run("without https", func(t *testing.T) {
		p := start(t, options{args: []string{"-v"}, env: []string{"CONFIG=" + with(service("s", "p"), `"allowedHosts":["gate.test"]`)}})
		p.event(t, "entry1", "waits")
		_, port, _ := strings.Cut(p.addr, ":")
		visit(at("evil.test"))
		seen := tries(t, page, "http://gate.test:"+port)
		require.Contains(t, seen["config"], "failed", "%v", seen)
		require.Equal(t, "refused", seen["socket"])
		require.Equal(t, "refused", seen["stream"])
		p.untouched(t)
		p.refused(t, everyAttack[:9]...)
	})

	// The same over a network address, where a browser marks even fewer requests.
	t.Run("network", func(t *testing.T) {
		if lan == "" {
			t.Skip("this machine has only loopback addresses")
		}
		p := start(t, options{addr: lan + ":0", args: []string{"-v"}})
		p.event(t, "entry1", "waits")
		visit(at("evil.test"))
		for _, base := range []string{p.base, strings.Replace(p.base, lan, "gate.lan", 1)} {
			seen := tries(t, page, base)
			require.Contains(t, seen["config"], "failed", "%v", seen)
			require.Equal(t, "refused", seen["socket"])
			require.Equal(t, "refused", seen["stream"])
			p.untouched(t)
		}
		p.refused(t, everyAttack[:9]...)
		t.Run("rebinding", func(t *testing.T) { rebinds(t, lan+":0", "rebound.lan") })
	})

	// With its origin listed, the same page can do all of it: so the requests above were
	// refused because of the origin.
	t.Run("listed", func(t *testing.T) {
		p := start(t, options{args: []string{"-v"}, env: []string{"CONFIG=" + with(service("s", "p"), `"cors":{"allowedOrigins":[`+quote(at("listed.test"))+`]}`)}})
		p.event(t, "entry1", "waits")
		visit(at("listed.test"))
		seen := tries(t, page, p.base)
		require.Contains(t, seen["config"], "200 ", "%v", seen)
		require.Contains(t, seen["config"], "endpoints")
		require.Contains(t, seen["reset"], "200 ")
		require.Contains(t, seen["put"], "201 ")
		require.Contains(t, seen["socket"], "welcome")
		require.Equal(t, "open", seen["stream"])
		require.NoError(t, p.expect(200, "GET", "/sync/stolen"))
		require.Zero(t, p.status(t).have())
	})
}

// beyondLoopback returns an address of this machine that is not loopback, or "".
func beyondLoopback(t *testing.T) string {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	require.NoError(t, err)
	for _, a := range addresses {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && n.IP.IsGlobalUnicast() {
			return n.IP.String()
		}
	}
	return ""
}

// with adds members to the configuration of a service.
func with(config, more string) string { return strings.TrimSuffix(config, "}") + "," + more + "}" }
