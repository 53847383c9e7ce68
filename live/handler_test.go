package live_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/live"
)

// Pages of other origins may connect only if they are listed.
func TestOrigins(t *testing.T) {
	t.Parallel()
	origins := []string{"app.example.com", "*.example.org", "https://secure.example", "port.example:8443", "HTTP://Old.example:80"}
	w := newWorld(t, func(_ *world, o *live.Options) { o.Origins = origins })
	all := newWorld(t, func(_ *world, o *live.Options) { o.Origins = []string{"*"} })
	for from, allowed := range map[string]bool{
		"": true, "https://app.example.com": true, "http://APP.example.com:80": true, "https://app.example.com:8443": false,
		"https://a.example.org": true, "https://example.org": false, "https://a.example.org.evil.example": false,
		"https://secure.example": true, "http://secure.example": false, "https://port.example:8443": true, "https://port.example": false,
		"http://old.example": true, "null": false, "https://evil.example": false, "%": false,
	} {
		header := http.Header{}
		if from != "" {
			header.Set("Origin", from)
		}
		conn, resp, err := websocket.Dial(t.Context(), w.url+"/ws", &websocket.DialOptions{HTTPHeader: header})
		if allowed {
			require.NoError(t, err, from)
			require.NoError(t, conn.CloseNow())
		} else {
			require.Error(t, err, from)
			require.Equal(t, http.StatusForbidden, resp.StatusCode, from)
		}
	}
	for w, status := range map[*world]int{w: http.StatusForbidden, all: http.StatusOK} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.url+"/live?entity=items&id=1", nil)
		require.NoError(t, err)
		req.Header.Set("Origin", "https://evil.example")
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, status, resp.StatusCode)
		if status == http.StatusOK {
			require.Equal(t, "https://evil.example", resp.Header.Get("Access-Control-Allow-Origin"), "the page may read the stream")
		}
	}
	same, _, err := websocket.Dial(t.Context(), w.url+"/ws", &websocket.DialOptions{HTTPHeader: http.Header{"Origin": {w.url}}})
	require.NoError(t, err, "a page of the same host")
	require.NoError(t, same.CloseNow())
}

// An error of Access refuses the client. Only a RefusedError is shown to it.
func TestAccessRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err        error
		status     int
		text       string
		retryAfter string
	}{
		{errors.New("the database says s3cret"), http.StatusForbidden, "not allowed\n", ""},
		{&live.RefusedError{Status: http.StatusUnauthorized, Reason: "log in first"}, http.StatusUnauthorized, "log in first\n", ""},
		{&live.RefusedError{Status: http.StatusServiceUnavailable, Reason: "later", RetryAfter: 1500 * time.Millisecond}, http.StatusServiceUnavailable, "later\n", "2"},
	} {
		hub := live.New(live.Options{Access: func(*http.Request) (live.Access, error) { return live.Access{}, c.err }})
		for _, h := range []http.Handler{hub.WebSocket(), hub.EventStream()} {
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/?entity=items&id=1", nil))
			require.Equal(t, c.status, rec.Code)
			require.Equal(t, c.text, rec.Body.String())
			require.Equal(t, c.retryAfter, rec.Header().Get("Retry-After"))
		}
	}
}

// Register serves the default paths. The secret is that of the header.
func TestRegister(t *testing.T) {
	t.Parallel()
	w := &world{T: t, states: map[live.Key]int{}, denied: map[string]bool{"": true}, secrets: true}
	w.states[live.KeyOf("items", "1")] = 1
	w.hub = live.New(live.Options{Resolver: func(live.Key) live.Resolver { return w }, Log: slog.New(slog.DiscardHandler)})
	mux := http.NewServeMux()
	w.hub.Register(mux)
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	t.Cleanup(func() { require.NoError(t, w.hub.Close(context.Background())) })
	header := http.Header{live.SecretHeader: {"s"}}
	conn, _, err := websocket.Dial(t.Context(), srv.URL+"/ws/entity-sync/", &websocket.DialOptions{HTTPHeader: header, Subprotocols: []string{live.Subprotocol}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.CloseNow() })
	p := &peer{t, conn}
	require.Equal(t, "welcome", p.read()["type"])
	p.send(`{"action":"subscribe","body":{"entity":"items","id":"1","have":""}}`)
	require.Equal(t, "subscribed", p.read()["type"])
	require.Equal(t, "1", p.read()["version"])
	resp, err := srv.Client().Get(srv.URL + "/live")
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusBadRequest, resp.StatusCode, "the request names no entities")
}
