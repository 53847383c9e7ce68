package live_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/headgate/headgate/internal/bus/localbus"
	"github.com/headgate/headgate/internal/live"
)

// patience is longer than anything takes on a slow machine.
const patience = 2 * time.Minute

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is entities that change, and a hub.
type world struct {
	*testing.T
	hub *live.Hub
	url string

	mu      sync.Mutex
	states  map[live.Key]int // version
	denied  map[string]bool  // secrets
	failing bool
	fetches atomic.Int64
	secrets bool
	slow    time.Duration
	ids     atomic.Int64
	passed  chan string
	until   time.Time // connections may be open
}

func (w *world) PerSecret() bool { return w.secrets }

func (w *world) Resolve(ctx context.Context, k live.Key, secret string) (live.State, error) {
	w.fetches.Add(1)
	if w.slow > 0 {
		select {
		case <-time.After(w.slow):
		case <-ctx.Done():
			return live.State{}, ctx.Err()
		}
	}
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

func newWorld(t *testing.T, change func(*world, *live.Options)) *world {
	w := &world{T: t, states: map[live.Key]int{}, denied: map[string]bool{}, passed: make(chan string, 10)}
	o := live.Options{
		Resolver: func(live.Key) live.Resolver { return w }, Log: slog.New(slog.DiscardHandler), Coalesce: 5 * time.Millisecond,
		Random: func() string { return fmt.Sprint("c", w.ids.Add(1)) },
	}
	if change != nil {
		change(w, &o)
	}
	w.hub = live.New(o)
	w.hub.Start()
	mux := http.NewServeMux()
	serve := func(do func(http.ResponseWriter, *http.Request, live.Connection) error) http.HandlerFunc {
		return func(rw http.ResponseWriter, r *http.Request) {
			who := live.Connection{Secret: r.URL.Query().Get("secret"), Until: w.until}
			if only := r.URL.Query().Get("only"); only != "" {
				who.Allowed = live.Allow([]string{only})
			}
			if err := do(rw, r, who); err != nil {
				http.Error(rw, err.Error(), http.StatusBadRequest)
			}
		}
	}
	mux.HandleFunc("/ws", serve(w.hub.ServeWebSocket))
	mux.HandleFunc("/live", serve(w.hub.ServeStream))
	srv := httptest.NewServer(mux)
	w.url = srv.URL
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		require.NoError(t, w.hub.Close(ctx))
		srv.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return w
}

func (w *world) set(entity, id string, version int) {
	w.mu.Lock()
	w.states[live.KeyOf(entity, id)] = version
	w.mu.Unlock()
	w.hub.Signal(live.KeyOf(entity, id))
}

// peer is a client.
type peer struct {
	*testing.T
	conn *websocket.Conn
}

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

func (p *peer) raw() string {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.Context(), patience)
	defer cancel()
	_, b, err := p.conn.Read(ctx)
	require.NoError(p, err)
	return string(b)
}

func (p *peer) read() (m map[string]any) {
	p.Helper()
	text := p.raw()
	require.NoError(p, json.Unmarshal([]byte(text), &m), text)
	return m
}

// code is that of the close frame.
func (p *peer) code() int {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.Context(), patience)
	defer cancel()
	for {
		if _, _, err := p.conn.Read(ctx); err != nil {
			return int(websocket.CloseStatus(err))
		}
	}
}

func (w *world) settled(subscriptions int) {
	w.Helper()
	require.Eventually(w, func() bool {
		n := 0
		for _, c := range w.hub.Clients() {
			n += c.Count
		}
		return n == subscriptions
	}, patience, time.Millisecond)
}

// A plain entity-sync client: nothing is acknowledged, and what comes is the row.
func TestPlainClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	p := w.dial("")
	p.send(`{"ACTION":"subscribe","Body":{"Entity":"items","ID":"100"}}`)
	require.NoError(t, p.conn.Write(t.Context(), websocket.MessageBinary, []byte(`{"action":"subscribe","body":{"entity":"items","id":"200"}}`)))
	w.settled(2)
	w.set("items", "100", 1)
	require.Equal(t, `{"id":"100","v":1}`, p.raw())
	w.set("items", "300", 1)
	w.set("items", "200", 2)
	require.Equal(t, `{"id":"200","v":2}`, p.raw())
	w.hub.Signal(live.KeyOf("items", "200")) // notified again: sent again
	require.Equal(t, `{"id":"200","v":2}`, p.raw())
	p.send(`{"action":"unsubscribe","body":{"entity":"items","id":"200"}}`)
	w.settled(1)
	w.set("items", "200", 3)
	w.set("items", "100", 4)
	require.Equal(t, `{"id":"100","v":4}`, p.raw())
}

func TestProtocol2(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.set("items", "1", 7)
	p := w.dial("protocol=2")
	p.send(`{"action":"subscribe","body":{"entity":"items","id":"1","have":""},"ref":"r1"}`)
	require.Equal(t, map[string]any{"type": "subscribed", "entity": "items", "id": "1", "ref": "r1"}, p.read())
	require.Equal(t, map[string]any{"type": "entity", "entity": "items", "id": "1", "version": "7", "data": map[string]any{"id": "1", "v": 7.0}}, p.read())

	q := w.dial("protocol=2")
	q.send(`{"action":"subscribe","body":{"entity":"items","id":"1","have":"7"}}`)
	require.Equal(t, "subscribed", q.read()["type"])
	require.Equal(t, map[string]any{"type": "current", "entity": "items", "id": "1", "version": "7"}, q.read())
	q.send(`{"action":"subscribe","body":{"entity":"items","id":"2","have":"3"}}`)
	require.Equal(t, "subscribed", q.read()["type"])
	require.Equal(t, map[string]any{"type": "gone", "entity": "items", "id": "2"}, q.read())

	w.set("items", "1", 8)
	require.Equal(t, "8", p.read()["version"])
	require.Equal(t, "8", q.read()["version"])
	w.hub.Signal(live.KeyOf("items", "1")) // nothing new: nothing is sent
	w.set("items", "2", 1)
	require.Equal(t, "2", q.read()["id"])
	w.set("items", "1", 0)
	require.Equal(t, map[string]any{"type": "entity", "entity": "items", "id": "1", "deleted": true}, p.read())

	for frame, says := range map[string]string{
		`{`:                               "not understood",
		`[]`:                              "JSON object",
		`{}{}`:                            "more than one",
		`{"action":"dance"}`:              "the actions are",
		`{"action":"subscribe","body":3}`: "the body must be",
		`{"action":"subscribe","body":{"entity":"","id":"1"}}`: "must not be empty",
		`{"action":"subscribe","body":{"entity":"a","id":""}}`: "must not be empty",
		`{"action":"secret","body":{}}`:                        "must be the secret",
		`{"hello":"world"}`:                                    "nothing is configured",
	} {
		p.send(frame)
		m := p.read()
		require.Equal(t, "error", m["type"], frame)
		require.Contains(t, m["message"], says, frame)
	}
	p.send(`{"action":"unsubscribe","body":{"entity":"items","id":"1"}}`)
	require.Equal(t, "unsubscribed", p.read()["type"])
}

func TestPatterns(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	p := w.dial("protocol=2")
	p.send(`{"action":"subscribe","body":{"entity":"acme/items","id":"*"}}`)
	require.Equal(t, "subscribed", p.read()["type"])
	w.set("items", "1", 1) // of another organisation
	w.set("acme/items", "x", 1)
	m := p.read()
	require.Equal(t, "acme/items", m["entity"])
	require.Equal(t, "x", m["id"])
	w.set("acme/items", "y", 3)
	require.Equal(t, "y", p.read()["id"])
	require.Equal(t, int64(2), w.fetches.Load(), "one fetch each")
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world, _ *live.Options) { w.secrets = true })
	w.denied["bad"] = true
	w.set("items", "1", 1)
	good, bad := w.dial("protocol=2&secret=good"), w.dial("protocol=2&secret=bad")
	for _, p := range []*peer{good, bad} {
		p.send(`{"action":"subscribe","body":{"entity":"items","id":"1","have":""}}`)
		require.Equal(t, "subscribed", p.read()["type"])
	}
	require.Equal(t, "entity", good.read()["type"])
	m := bad.read()
	require.Equal(t, "forbidden", m["code"])
	bad.send(`{"action":"secret","body":"good"}`)
	got := map[any]map[string]any{}
	for range 2 { // the answer, and what it may see now: either may be first
		m := bad.read()
		got[m["type"]] = m
	}
	require.Contains(t, got, "secret")
	require.Equal(t, "1", got["entity"]["version"])
	w.set("items", "1", 2)
	require.Equal(t, "2", good.read()["version"])
	require.Equal(t, "2", bad.read()["version"])

	only := w.dial("protocol=2&only=items/7")
	only.send(`{"action":"subscribe","body":{"entity":"items","id":"1"}}`)
	require.Equal(t, "forbidden", only.read()["code"])
	only.send(`{"action":"subscribe","body":{"entity":"items","id":"7"}}`)
	require.Equal(t, "subscribed", only.read()["type"])
}

// A thousand subscribers, a burst of changes: a fetch for each interval, and each
// client ends at the newest.
func TestBurst(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(_ *world, o *live.Options) { o.Coalesce = 50 * time.Millisecond })
	peers := make([]*peer, 50)
	for i := range peers {
		peers[i] = w.dial("protocol=2")
		peers[i].send(`{"action":"subscribe","body":{"entity":"items","id":"1"}}`)
		require.Equal(t, "subscribed", peers[i].read()["type"])
	}
	w.fetches.Store(0)
	began := time.Now()
	for v := 1; v <= 1000; v++ {
		w.set("items", "1", v)
	}
	took := time.Since(began)
	for _, p := range peers {
		last := 0.0
		for last < 1000 {
			v := p.read()["data"].(map[string]any)["v"].(float64)
			require.Greater(t, v, last, "it never goes back")
			last = v
		}
	}
	require.LessOrEqual(t, w.fetches.Load(), int64((took+time.Second)/(50*time.Millisecond))+2)
}

func TestUnavailableIsTriedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	p := w.dial("protocol=2")
	p.send(`{"action":"subscribe","body":{"entity":"items","id":"1"}}`)
	require.Equal(t, "subscribed", p.read()["type"])
	w.mu.Lock()
	w.failing = true
	w.mu.Unlock()
	w.set("items", "1", 1)
	require.Eventually(t, func() bool { return w.fetches.Load() >= 3 }, patience, time.Millisecond)
	w.mu.Lock()
	w.failing = false
	w.mu.Unlock()
	require.Equal(t, "1", p.read()["version"])
}

// A signal was lost: the comparison of versions finds the change.
func TestLostSignal(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(_ *world, o *live.Options) { o.Compare = 30 * time.Millisecond })
	w.set("items", "1", 1)
	plain, p := w.dial(""), w.dial("protocol=2")
	plain.send(`{"action":"subscribe","body":{"entity":"items","id":"1"}}`)
	p.send(`{"action":"subscribe","body":{"entity":"items","id":"1","have":""}}`)
	require.Equal(t, "subscribed", p.read()["type"])
	require.Equal(t, "1", p.read()["version"])
	w.settled(2)
	w.mu.Lock()
	w.states[live.KeyOf("items", "1")] = 2
	w.mu.Unlock()
	require.Equal(t, "2", p.read()["version"])
	require.Equal(t, `{"id":"1","v":2}`, plain.raw())
}

// Each fault of entity-sync, by name.
func TestEntitySyncFaults(t *testing.T) {
	t.Parallel()
	t.Run("a slow client stalls every client", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil)
		slow, quick := w.dial(""), w.dial("")
		for _, p := range []*peer{slow, quick} {
			p.send(`{"action":"subscribe","body":{"entity":"items","id":"1"}}`)
		}
		w.settled(2)
		for v := 1; v <= 200; v++ { // slow never reads
			w.set("items", "1", v)
			for !strings.Contains(quick.raw(), fmt.Sprintf(`"v":%d}`, v)) {
			}
		}
		for _, c := range w.hub.Clients() {
			require.LessOrEqual(t, c.Waiting, 1, "of an entity the newest only")
		}
	})
	t.Run("a push during a disconnect ends the process", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil)
		for i := range 30 {
			p := w.dial("")
			p.send(`{"action":"subscribe","body":{"entity":"items","id":"1"}}`)
			go w.set("items", "1", i+1)
			_ = p.conn.CloseNow()
		}
		w.settled(0)
	})
	t.Run("a notification for an unknown entity ends the process", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil)
		w.hub.Signal(live.KeyOf("dragons", "1"))
		p := w.dial("")
		p.send(`{"action":"subscribe","body":{"entity":"items","id":"1"}}`)
		w.settled(1)
		w.set("items", "1", 1)
		require.Contains(t, p.raw(), `"v":1`)
	})
	t.Run("a.b,c and a,b.c collide", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil)
		p := w.dial("protocol=2")
		p.send(`{"action":"subscribe","body":{"entity":"a.b","id":"c"}}`)
		p.read()
		p.send(`{"action":"subscribe","body":{"entity":"x","id":"y/z"}}`)
		p.read()
		w.set("a", "b.c", 1)
		w.set("x/y", "z", 1)
		w.set("a.b", "c", 2)
		require.Equal(t, "2", p.read()["version"])
	})
	t.Run("one database fetch per subscriber", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil)
		peers := make([]*peer, 20)
		for i := range peers {
			peers[i] = w.dial("protocol=2")
			peers[i].send(`{"action":"subscribe","body":{"entity":"items","id":"1"}}`)
			peers[i].read()
		}
		require.Eventually(t, func() bool { return w.fetches.Load() > 0 }, time.Second, time.Millisecond)
		time.Sleep(20 * time.Millisecond) // the baseline's
		w.fetches.Store(0)
		w.set("items", "1", 1)
		for _, p := range peers {
			require.Equal(t, "1", p.read()["version"])
		}
		require.Equal(t, int64(1), w.fetches.Load())
	})
	t.Run("changes during a disconnect are lost", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil)
		w.set("items", "1", 1)
		p := w.dial("protocol=2")
		p.send(`{"action":"subscribe","body":{"entity":"items","id":"1","have":""}}`)
		p.read()
		require.Equal(t, "1", p.read()["version"])
		_ = p.conn.CloseNow()
		w.set("items", "1", 2)
		p = w.dial("protocol=2")
		p.send(`{"action":"subscribe","body":{"entity":"items","id":"1","have":"1"}}`)
		p.read()
		require.Equal(t, "2", p.read()["version"])
	})
	t.Run("frames over 512 bytes close the connection", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil)
		p := w.dial("protocol=2")
		p.send(`{"action":"subscribe","body":{"entity":"items","id":"1"},"ref":"` + strings.Repeat("x", 5000) + `"}`)
		require.Equal(t, "subscribed", p.read()["type"])
		p.send(strings.Repeat("x", live.DefaultMaxFrame+1))
		require.Equal(t, 1009, p.code(), "but there is a limit")
	})
	t.Run("the secret is checked by nobody", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, func(w *world, _ *live.Options) { w.secrets = true })
		w.denied[""] = true
		p := w.dial("")
		p.send(`{"action":"subscribe","body":{"entity":"items","id":"1"}}`)
		w.settled(1)
		w.set("items", "1", 1)
		p.send(`{"action":"secret","body":"good"}`)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() {
			for v := 2; ctx.Err() == nil; v++ { // it is not said when a secret is taken
				w.set("items", "1", v)
				time.Sleep(5 * time.Millisecond)
			}
		}()
		require.Contains(t, p.raw(), `{"id":"1","v":`)
	})
}

func TestLimits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(_ *world, o *live.Options) { o.MaxSubs, o.FramesPerSecond = 2, 10 })
	p := w.dial("protocol=2")
	for i := range 3 {
		p.send(fmt.Sprintf(`{"action":"subscribe","body":{"entity":"items","id":"%d"}}`, i))
		m := p.read()
		if i == 2 {
			require.Equal(t, "limit", m["code"])
		}
	}
	for range 30 {
		if p.conn.Write(t.Context(), websocket.MessageText, []byte(`{}`)) != nil {
			break
		}
	}
	require.Equal(t, 1008, p.code())
	q := w.dial("")
	require.NoError(t, q.conn.Write(t.Context(), websocket.MessageText, []byte("\xff\xfe")))
	require.Equal(t, 1007, q.code())
	resp, err := http.Get(w.url + "/ws")
	require.NoError(t, err)
	_ = resp.Body.Close()
	require.Equal(t, 400, resp.StatusCode)
}

func TestPassThrough(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world, o *live.Options) {
		o.PassThrough = func(_ context.Context, secret string, frame []byte) error {
			w.passed <- secret + " " + string(frame)
			return nil
		}
	})
	p := w.dial("secret=s3")
	p.send(`{"type": "chat",  "text":"hello"}`)
	require.Equal(t, `s3 {"type": "chat",  "text":"hello"}`, <-w.passed, "byte for byte")
}

func TestDrain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	plain, p := w.dial(""), w.dial("protocol=2")
	w.hub.Drain()
	m := p.read()
	require.Equal(t, "bye", m["type"])
	require.Positive(t, m["reconnectAfterMs"])
	require.Equal(t, 1012, p.code())
	require.Equal(t, 1012, plain.code())
	late, _, err := websocket.Dial(t.Context(), w.url+"/ws", nil)
	require.NoError(t, err)
	require.Equal(t, 1012, (&peer{t, late}).code())
}

func TestTwoInstancesShareABus(t *testing.T) {
	t.Parallel()
	a, b := newWorld(t, nil), newWorld(t, nil)
	bus := localbus.New("live")
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	var of []*live.Signals
	for i, w := range []*world{a, b} {
		s := &live.Signals{Bus: bus, Topic: "live", Name: fmt.Sprint("instance-", i), Hub: w.hub, Log: slog.New(slog.DiscardHandler)}
		running.Go(func() { s.Receive(ctx) })
		of = append(of, s)
	}
	t.Cleanup(func() { cancel(); running.Wait(); _ = bus.Close() })
	require.Eventually(t, func() bool { return of[0].Connected() && of[1].Connected() }, patience, time.Millisecond)
	p := b.dial("")
	p.send(`{"action":"subscribe","body":{"entity":"items","id":"1"}}`)
	b.settled(1)
	b.mu.Lock()
	b.states[live.KeyOf("items", "1")] = 1
	b.mu.Unlock()
	require.NoError(t, of[0].Notify(t.Context(), []live.Key{live.KeyOf("items", "1")}))
	require.Equal(t, `{"id":"1","v":1}`, p.raw())
}

// events reads an event stream.
func (w *world) events(query, last string) (next func() (id string, m map[string]any)) {
	w.Helper()
	req, err := http.NewRequestWithContext(w.Context(), http.MethodGet, w.url+"/live?"+query, nil)
	require.NoError(w, err)
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(w, err)
	w.Cleanup(func() { _ = resp.Body.Close() })
	require.Equal(w, 200, resp.StatusCode)
	require.Equal(w, "text/event-stream", resp.Header.Get("Content-Type"))
	lines := bufio.NewScanner(resp.Body)
	return func() (string, map[string]any) {
		w.Helper()
		id := ""
		for lines.Scan() {
			if v, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
				id = v
			}
			if v, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				var m map[string]any
				require.NoError(w, json.Unmarshal([]byte(v), &m))
				return id, m
			}
		}
		require.Fail(w, "the stream ended")
		return "", nil
	}
}

func TestEventStream(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.set("items", "1", 1)
	next := w.events("entity=items&id=1&entity=acme/items&id=2", "")
	seen := map[string]string{}
	for range 4 { // two answers, two states
		_, m := next()
		seen[m["type"].(string)+" "+m["id"].(string)] = ""
	}
	require.Equal(t, map[string]string{"subscribed 1": "", "subscribed 2": "", "entity 1": "", "gone 2": ""}, seen)
	w.set("acme/items", "2", 5)
	last, m := next()
	require.Equal(t, "acme/items", m["entity"])
	require.Equal(t, "5", m["version"])

	w.set("items", "1", 2) // while nobody listens
	again := w.events("entity=items&id=1&entity=acme/items&id=2", last)
	kinds := map[string]any{}
	for range 4 {
		_, m := again()
		if m["type"] != "subscribed" {
			kinds[m["id"].(string)] = m["type"]
		}
	}
	require.Equal(t, map[string]any{"1": "entity", "2": "current"}, kinds)
	for _, bad := range []string{"", "entity=a", "entity=a&id=", "id=1"} {
		resp, err := http.Get(w.url + "/live?" + bad)
		require.NoError(t, err)
		_ = resp.Body.Close()
		require.Equal(t, 400, resp.StatusCode, bad)
	}
}

// A stream of all of a type has an event's id that does not grow with what came.
func TestEventStreamOfAType(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.set("items", "0", 1)
	next := w.events("entity=items&id=*&entity=items&id=0", "")
	for range 3 { // two answers, a state
		next()
	}
	first := ""
	for i := range 50 {
		w.set("items", strconv.Itoa(i+1), 1)
		id, m := next()
		require.Equal(t, strconv.Itoa(i+1), m["id"])
		if first == "" {
			first = id
		}
		require.Equal(t, first, id)
	}
}

// A page's EventSource says nothing of comments: a ping is an event of its own.
func TestAStreamsPingIsHeard(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _ = live.PingStream(w) }))
	t.Cleanup(srv.Close)
	resp, err := http.Get(srv.URL)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, "event: ping\ndata: {}\n\n", string(body))
}

func FuzzFrame(f *testing.F) {
	f.Add([]byte(`{"action":"subscribe","body":{"entity":"items","id":"1","have":""}}`))
	f.Add([]byte(`{"Action":"secret","body":"x"}{`))
	f.Add([]byte("\x00"))
	hub := live.New(live.Options{
		Resolver: func(live.Key) live.Resolver { return live.Static(func(live.Key) []byte { return []byte("{}") }) },
		Log:      slog.New(slog.DiscardHandler), Random: func() string { return "x" },
	})
	f.Cleanup(func() { _ = hub.Close(context.Background()) })
	f.Fuzz(func(t *testing.T, frame []byte) {
		for _, answer := range hub.Try(frame) {
			require.True(t, json.Valid(answer), "%s", answer)
		}
	})
}
