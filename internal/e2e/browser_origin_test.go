package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// ownPage serves the clients' files at an origin of their own, for pages of another origin.
func ownPage(t *testing.T) *httptest.Server {
	t.Helper()
	files := httptest.NewServer(http.FileServer(http.Dir("../../client")))
	t.Cleanup(files.Close)
	return files
}

// listenAt is listen, for a page of another origin than the server at base.
func listenAt(base string) string {
	const options = `m.connect({ base: %q, onError: (e) => { window.failed = (window.failed ?? []).concat(e); },`
	return strings.Replace(strings.Replace(listen, "/live/client.js", "/js/live.js", 1), "m.connect({", fmt.Sprintf(options, base), 1)
}

// A page of another origin that the configuration lists falls back to the event stream, as
// our own does, and misses nothing.
func TestBrowserOfAnotherOriginFallsBack(t *testing.T) {
	t.Parallel()
	files := ownPage(t)
	p := start(t, options{env: []string{"CONFIG=" + with(service("s", "p"), `"cors":{"allowedOrigins":[`+quote(files.URL)+`]}`)}})
	proxy := p.blocked(t)
	p.put(t, 1)
	page := browser(t, files.URL+"/vectors.json")
	require.True(t, js[bool](t, page, listenAt(proxy.URL)))
	sees(t, page, 1)
	require.Equal(t, "open sse", js[string](t, page, "window.state"))
	p.put(t, 2)
	sees(t, page, 2)
	proxy.CloseClientConnections() // the client reconnects
	p.put(t, 3)
	sees(t, page, 3)
	require.Equal(t, 0, js[int](t, page, "(window.failed ?? []).length"))
}

// A page of an origin that is not listed gets nothing by either transport. Its developer reads
// in the page what to do, and the server's answers, which only the developer sees, say the same.
func TestBrowserOfAnUnlistedOriginIsToldWhatIsMissing(t *testing.T) {
	t.Parallel()
	files := ownPage(t)
	p := start(t, options{env: []string{"CONFIG=" + with(service("s", "p"), `"cors":{"allowedOrigins":["https://app.test"]}`)}})
	p.put(t, 1)
	page := browser(t, files.URL+"/vectors.json")
	require.True(t, js[bool](t, page, listenAt(p.base)))
	eventually(t, "the page is told", func() error {
		if got := js[string](t, page, `JSON.stringify(window.failed ?? [])`); got == "[]" {
			return fmt.Errorf("its state is %s", js[string](t, page, `window.state + ""`))
		}
		return nil
	})
	told := js[string](t, page, `window.failed[0].message`)
	for _, part := range []string{p.base, files.URL, "cors.allowedOrigins"} {
		require.Contains(t, told, part)
	}
	require.NotContains(t, js[string](t, page, "window.state"), "open")
	require.Zero(t, js[int](t, page, "window.changes.length"))
	require.Contains(t, p.must(t, "GET", "/live/clients", ""), `"count":0`)

	for _, path := range []string{"/live?entity=items&id=1", "/ws/entity-sync/"} {
		req, err := http.NewRequest(http.MethodGet, p.base+path, nil)
		require.NoError(t, err)
		req.Header.Set("Origin", files.URL)
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusForbidden, resp.StatusCode)
		require.Contains(t, string(body), files.URL, path)
		require.Contains(t, string(body), "cors.allowedOrigins", path)
		require.Empty(t, resp.Header.Get("Access-Control-Allow-Origin"))
	}
}
