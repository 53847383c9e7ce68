package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// browser opens an address in a real browser, and returns the page.
func browser(t *testing.T, address string, flags ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("HEADGATE_REQUIRE_BROWSER") != "" {
			t.Fatal("HEADGATE_REQUIRE_BROWSER is set, but chromium is not installed")
		}
		t.Skip("chromium is not installed: skipped the tests in a browser")
	}
	flags = append(flags, chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.Flag("disable-dev-shm-usage", true))
	allocator, cancel := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:], flags...)...)
	t.Cleanup(cancel)
	page, cancelPage := chromedp.NewContext(allocator)
	t.Cleanup(cancelPage)
	limited, cancelLimit := context.WithTimeout(page, 90*time.Second)
	t.Cleanup(cancelLimit)
	_, err = chromedp.Run(limited, chromedp.Navigate(address))
	require.NoError(t, err)
	return limited
}

// js runs a script in the page, and waits for the promise that it returns.
func js[T any](t *testing.T, page context.Context, script string) T {
	t.Helper()
	v, err := chromedp.Run(page, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	require.NoError(t, err)
	return v
}

const listen = `import("/live/client.js").then((m) => {
	window.changes = [];
	window.live = m.connect({ onState: (s, t) => { window.state = s + " " + t; } });
	window.live.subscribe("items", "1", (c) => window.changes.push(c));
	window.any = [];
	window.live.subscribe("items", "*", (c) => window.any.push(c.type));
	return true;
})`

// sees waits until the page has the number as the entity's latest state.
func sees(t *testing.T, page context.Context, n int) {
	t.Helper()
	eventually(t, fmt.Sprintf("the page sees %d", n), func() error {
		got := js[string](t, page, `JSON.stringify((window.changes.filter((c) => c.data).at(-1) ?? {}).data ?? {})`)
		if got != fmt.Sprintf(`{"id":"1","n":%d}`, n) {
			return fmt.Errorf("it sees %s; %s", got, js[string](t, page, `window.state + ""`))
		}
		return nil
	})
}

func (p *process) put(t *testing.T, n int) {
	t.Helper()
	resp, body, err := p.call("PUT", "/orgs/default/items/1", fmt.Sprintf(`{"n":%d}`, n))
	require.NoError(t, err)
	require.Less(t, resp.StatusCode, 300, "%s", body)
}

// The client in a browser reconnects after the server has restarted, and misses no change.
func TestBrowserComesBack(t *testing.T) {
	t.Parallel()
	p := start(t, options{addr: fixedPort(t)})
	p.put(t, 1)
	page := browser(t, p.base+"/healthz")
	require.True(t, js[bool](t, page, listen))
	sees(t, page, 1)
	require.Equal(t, "open websocket", js[string](t, page, "window.state"))
	p.put(t, 2)
	sees(t, page, 2)
	p.kill9()
	p = p.restart(t).listens(t)
	p.ready(t)
	p.put(t, 3) // probably before the client has reconnected
	sees(t, page, 3)
	p.put(t, 4)
	sees(t, page, 4)
	require.Contains(t, js[[]string](t, page, `window.any`), "resync", "what a pattern brings may have been missed")
	require.Equal(t, []int{1, 2, 3, 4}, js[[]int](t, page, `window.changes.filter((c) => c.data).map((c) => c.data.n)`), "each once, in order")
}

// A client whose server is down for a while does not conclude that WebSockets are blocked.
func TestBrowserKeepsItsSocket(t *testing.T) {
	t.Parallel()
	p := start(t, options{addr: fixedPort(t)})
	p.put(t, 1)
	page := browser(t, p.base+"/healthz")
	require.True(t, js[bool](t, page, listen))
	sees(t, page, 1)
	p.kill9()
	time.Sleep(3 * time.Second) // the client makes several attempts
	p = p.restart(t).listens(t)
	p.ready(t)
	p.put(t, 2)
	sees(t, page, 2)
	require.Equal(t, "open websocket", js[string](t, page, "window.state"))
}

// blocked returns a proxy to the process that blocks WebSockets.
func (p *process) blocked(t *testing.T) *httptest.Server {
	t.Helper()
	target, err := url.Parse(p.base)
	require.NoError(t, err)
	through := httputil.NewSingleHostReverseProxy(target)
	through.FlushInterval = -1
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			http.Error(w, "no WebSockets here", http.StatusForbidden)
			return
		}
		through.ServeHTTP(w, r)
	}))
	t.Cleanup(proxy.CloseClientConnections)
	return proxy
}

// Where WebSockets are blocked, the client falls back to the event stream.
func TestBrowserFallsBack(t *testing.T) {
	t.Parallel()
	p := start(t, options{})
	proxy := p.blocked(t)
	p.put(t, 1)
	page := browser(t, proxy.URL+"/healthz")
	require.True(t, js[bool](t, page, listen))
	sees(t, page, 1)
	require.Equal(t, "open sse", js[string](t, page, "window.state"))
	p.put(t, 2)
	sees(t, page, 2)
	proxy.CloseClientConnections() // the client reconnects
	p.put(t, 3)
	sees(t, page, 3)
	require.Equal(t, []int{1, 2, 3}, js[[]int](t, page, `window.changes.filter((c) => c.data).map((c) => c.data.n)`))
}

// hurried makes the page's long timers run 50 times as fast.
const hurried = `(() => { const wait = window.setTimeout; window.setTimeout = (f, ms, ...a) => wait(f, ms >= 40000 ? ms / 50 : ms, ...a); window.states = []; return true; })()`

// An idle connection stays open while the server answers. If it does not answer, the
// client reconnects.
func TestBrowserWaitsInSilence(t *testing.T) {
	t.Parallel()
	p := start(t, options{})
	p.put(t, 1)
	page := browser(t, p.base+"/healthz")
	require.True(t, js[bool](t, page, hurried))
	require.True(t, js[bool](t, page, strings.Replace(listen, "window.state = ", "window.states.push(s); window.state = ", 1)))
	sees(t, page, 1)
	time.Sleep(4 * time.Second)
	require.Equal(t, []string{"connecting", "open"}, js[[]string](t, page, "window.states"))
	p.put(t, 2)
	sees(t, page, 2)

	page = browser(t, p.base+"/healthz") // a stream has a ping only every 20 s: to hurried clocks it looks dead, and the client reconnects
	require.True(t, js[bool](t, page, hurried))
	require.True(t, js[bool](t, page, strings.Replace(listen, "connect({", `connect({ transport: "sse",`, 1)))
	sees(t, page, 2)
	time.Sleep(3 * time.Second)
	p.put(t, 3)
	sees(t, page, 3)
}
