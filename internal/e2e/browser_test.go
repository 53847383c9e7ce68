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

// browser returns a page of a real browser, at an address.
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

// js runs a script, and waits for the promise that it gives.
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

// sees waits until the page's latest state of the entity is the number.
func sees(t *testing.T, page context.Context, n int) {
	t.Helper()
	eventually(t, 45*time.Second, fmt.Sprintf("the page sees %d", n), func() error {
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

// The client in a browser comes back after the server restarts, and misses nothing.
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
	p = p.again(t).listens(t)
	p.ready(t)
	p.put(t, 3) // before it is back, as like as not
	sees(t, page, 3)
	p.put(t, 4)
	sees(t, page, 4)
	require.Contains(t, js[[]string](t, page, `window.any`), "resync", "what a pattern brings may have been missed")
	require.Equal(t, []int{1, 2, 3, 4}, js[[]int](t, page, `window.changes.filter((c) => c.data).map((c) => c.data.n)`), "each once, in order")
}

// A server that is away for a while is no reason to believe that sockets do not get
// through.
func TestBrowserKeepsItsSocket(t *testing.T) {
	t.Parallel()
	p := start(t, options{addr: fixedPort(t)})
	p.put(t, 1)
	page := browser(t, p.base+"/healthz")
	require.True(t, js[bool](t, page, listen))
	sees(t, page, 1)
	p.kill9()
	time.Sleep(3 * time.Second) // in which it tries some times
	p = p.again(t).listens(t)
	p.ready(t)
	p.put(t, 2)
	sees(t, page, 2)
	require.Equal(t, "open websocket", js[string](t, page, "window.state"))
}

// blocked is a way to the process on which no WebSocket gets through.
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

// Where WebSockets do not get through, it falls back to the event stream.
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
	proxy.CloseClientConnections() // it comes back
	p.put(t, 3)
	sees(t, page, 3)
	require.Equal(t, []int{1, 2, 3}, js[[]int](t, page, `window.changes.filter((c) => c.data).map((c) => c.data.n)`))
}

// hurried is a page whose clock for what it waits for long runs 50 times as fast.
const hurried = `(() => { const wait = window.setTimeout; window.setTimeout = (f, ms, ...a) => wait(f, ms >= 40000 ? ms / 50 : ms, ...a); window.states = []; return true; })()`

// A connection on which nothing happens stays, where the server is there, and comes
// back where it does not answer.
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

	page = browser(t, p.base+"/healthz") // a stream has no ping for 20 s, which is too long for it
	require.True(t, js[bool](t, page, hurried))
	require.True(t, js[bool](t, page, strings.Replace(listen, "connect({", `connect({ transport: "sse",`, 1)))
	sees(t, page, 2)
	time.Sleep(3 * time.Second)
	p.put(t, 3)
	sees(t, page, 3)
}
