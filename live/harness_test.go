package live_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/headgate/headgate/live"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a set of entities that change, and a hub on a server.
type world struct {
	*testing.T
	hub *live.Hub
	url string

	mu      sync.Mutex
	states  map[live.Key]int // version; 0: gone
	denied  map[string]bool  // secrets
	failing bool
	fetches atomic.Int64
	secrets bool // make a difference
	passed  chan string
	until   time.Time // when access ends
}

func (w *world) PerSecret() bool { return w.secrets }

func (w *world) Resolve(_ context.Context, k live.Key, secret string) (live.State, error) {
	w.fetches.Add(1)
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.failing:
		return live.State{}, errors.New("away")
	case w.denied[secret]:
		return live.State{}, live.ErrDenied
	}
	v := w.states[k]
	if v == 0 {
		return live.State{Gone: true}, nil
	}
	return live.State{Version: fmt.Sprint(v), Rows: [][]byte{fmt.Appendf(nil, `{"id":%q,"v":%d}`, k.ID, v)}}, nil
}

// newWorld starts a server. A client's query may have ?secret=, and ?only= for the one
// entity that the client may subscribe to.
func newWorld(t *testing.T, change func(*world, *live.Options)) *world {
	w := &world{T: t, states: map[live.Key]int{}, denied: map[string]bool{}, passed: make(chan string, 10)}
	o := live.Options{
		Resolver: func(live.Key) live.Resolver { return w }, Log: slog.New(slog.DiscardHandler), Coalesce: 5 * time.Millisecond,
		Access: w.access, Path: "/ws",
	}
	if change != nil {
		change(w, &o)
	}
	w.hub = live.New(o)
	w.hub.Start()
	mux := http.NewServeMux()
	w.hub.Register(mux)
	srv := httptest.NewServer(mux)
	w.url = srv.URL
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		require.NoError(t, w.hub.Close(ctx))
		srv.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return w
}

func (w *world) access(r *http.Request) (live.Access, error) {
	a := live.Access{Secret: r.URL.Query().Get("secret"), Until: w.until}
	if only := r.URL.Query().Get("only"); only != "" {
		a.Allowed = func(k live.Key) bool { return k.Entity()+"/"+k.ID == only }
	}
	return a, nil
}

// set changes an entity and tells the hub.
func (w *world) set(entity, id string, version int) {
	w.setSilently(entity, id, version)
	w.hub.NotifyLocal(live.KeyOf(entity, id))
}

// setSilently changes an entity, and no message about it arrives.
func (w *world) setSilently(entity, id string, version int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.states[live.KeyOf(entity, id)] = version
}

// settled waits until there are so many subscriptions.
func (w *world) settled(subscriptions int) {
	w.Helper()
	require.Eventually(w, func() bool {
		n := 0
		for _, c := range w.hub.Clients() {
			n += c.Count
		}
		return n == subscriptions
	}, 5*time.Second, time.Millisecond)
}

// peer is a client on a WebSocket.
type peer struct {
	*testing.T
	conn *websocket.Conn
}

// dial connects a client; the query "protocol=2" makes it a Versioned one.
func (w *world) dial(query string) *peer {
	w.Helper()
	conn, _, err := websocket.Dial(w.Context(), w.url+"/ws?"+query, nil)
	require.NoError(w, err)
	conn.SetReadLimit(64 << 20)
	w.Cleanup(func() { _ = conn.CloseNow() })
	p := &peer{w.T, conn}
	if strings.Contains(query, "protocol=2") {
		require.Equal(w, "welcome", p.read()["type"])
	}
	return p
}

func (p *peer) send(frame string) {
	p.Helper()
	require.NoError(p, p.conn.Write(p.Context(), websocket.MessageText, []byte(frame)))
}

// frame returns the next frame, and whether it is text or binary.
func (p *peer) frame() (websocket.MessageType, string) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.Context(), 10*time.Second)
	defer cancel()
	typ, b, err := p.conn.Read(ctx)
	require.NoError(p, err)
	return typ, string(b)
}

// text returns the next frame.
func (p *peer) text() string {
	p.Helper()
	typ, text := p.frame()
	require.Equal(p, websocket.MessageText, typ)
	return text
}

// read returns the next frame, decoded.
func (p *peer) read() (m map[string]any) {
	p.Helper()
	text := p.text()
	require.NoError(p, json.Unmarshal([]byte(text), &m), text)
	return m
}

// code reads until the connection is closed, and returns the close code.
func (p *peer) code() int {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.Context(), 10*time.Second)
	defer cancel()
	for {
		if _, _, err := p.conn.Read(ctx); err != nil {
			return int(websocket.CloseStatus(err))
		}
	}
}
