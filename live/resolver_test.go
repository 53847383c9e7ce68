package live_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/live"
)

// newHandled starts a server whose items have the rows of the function.
func newHandled(t *testing.T, fetch func(secret string) ([][]byte, error)) *world {
	w := newWorld(t, func(_ *world, o *live.Options) { o.Resolver = nil })
	w.hub.Handle("items", func(_ context.Context, k live.Key, secret string) ([][]byte, error) {
		if k.Type != "items" {
			t.Errorf("asked for %v", k)
		}
		return fetch(secret)
	})
	return w
}

// Rows may be any bytes. Plain clients get them unchanged. Versioned clients get them in
// base64, unless all are JSON.
func TestRowsOfAnyBytes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		rows     [][]byte
		data     any
		encoding any
	}{
		"one of JSON":    {[][]byte{[]byte(`{"a":1}`)}, map[string]any{"a": 1.0}, nil},
		"two of JSON":    {[][]byte{[]byte(`1`), []byte(`"b"`)}, []any{1.0, "b"}, nil},
		"text":           {[][]byte{[]byte("hello")}, "aGVsbG8=", "base64"},
		"bytes":          {[][]byte{{0xff, 0}, []byte("{}")}, []any{"/wA=", "e30="}, "base64"},
		"empty":          {[][]byte{{}, {}}, []any{"", ""}, "base64"},
		"two in one row": {[][]byte{[]byte("1,2"), []byte("3")}, []any{"MSwy", "Mw=="}, "base64"},
		"bad UTF-8":      {[][]byte{[]byte("\"\xff\"")}, "Iv8i", "base64"},
	} {
		w := newHandled(t, func(string) ([][]byte, error) { return c.rows, nil })
		plain, p := w.dial(""), w.dial("protocol=2")
		plain.send(subscribeTo("1"))
		p.send(`{"action":"subscribe","body":{"entity":"items","id":"1","have":""}}`)
		require.Equal(t, "subscribed", p.read()["type"])
		m := p.read()
		require.Equal(t, c.data, m["data"], name)
		require.Equal(t, c.encoding, m["encoding"], name)
		w.settled(2)
		w.hub.NotifyLocal(live.KeyOf("items", "1"))
		for i, row := range c.rows {
			typ, frame := plain.frame()
			require.Equal(t, string(row), frame, name)
			want := websocket.MessageText
			if name == "bytes" && i == 0 || name == "bad UTF-8" {
				want = websocket.MessageBinary
			}
			require.Equal(t, want, typ, name)
		}
	}
}

// syncBuffer is a buffer that a hub's goroutines may write to while a test reads it.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// A misspelt entity is an error that a Versioned client and the log name. A Plain client
// cannot be told.
func TestEntitiesWithoutAHandler(t *testing.T) {
	t.Parallel()
	var log syncBuffer
	w := newWorld(t, func(_ *world, o *live.Options) {
		o.Resolver, o.Log = nil, slog.New(slog.NewTextHandler(&log, nil))
	})
	w.hub.Handle("items", func(context.Context, live.Key, string) ([][]byte, error) { return nil, nil })
	p, plain := w.dial("protocol=2"), w.dial("")
	plain.send(`{"action":"subscribe","body":{"entity":"item","id":"1"}}`)
	w.settled(1)
	w.hub.NotifyLocal(live.KeyOf("item", "1")) // harms nobody
	for _, id := range []string{"1", "*"} {
		p.send(`{"action":"subscribe","body":{"entity":"item","id":"` + id + `","have":""},"ref":"a"}`)
		require.Equal(t, map[string]any{
			"type": "error", "code": "invalid", "message": `no handler for the entity "item"`, "entity": "item", "id": id, "ref": "a",
		}, p.read())
	}
	p.send(`{"action":"subscribe","body":{"entity":"items","id":"1","have":""}}`)
	require.Equal(t, "subscribed", p.read()["type"])
	require.Equal(t, "gone", p.read()["type"], "this one has a handler")
	require.Equal(t, 1, strings.Count(log.String(), `level=WARN msg="a client subscribes to an entity that has no handler" entity=item`))
	for i := range 30 {
		p.send(fmt.Sprintf(`{"action":"subscribe","body":{"entity":"e%d","id":"1"}}`, i))
		require.Equal(t, "invalid", p.read()["code"])
	}
	require.Equal(t, 20, strings.Count(log.String(), "has no handler"), "clients cannot fill the log")
}

// A handler is asked once for each secret, and may deny one.
func TestHandleIsPerSecret(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	w := newHandled(t, func(secret string) ([][]byte, error) {
		calls.Add(1)
		if secret == "" {
			return nil, live.ErrDenied
		}
		return [][]byte{[]byte(`"for ` + secret + `"`)}, nil
	})
	subscribe := func(query string) *peer {
		p := w.dial("protocol=2" + query)
		p.send(subscribeTo("1"))
		require.Equal(t, "subscribed", p.read()["type"])
		return p
	}
	peers := map[string]*peer{"a": subscribe("&secret=a"), "also a": subscribe("&secret=a"), "b": subscribe("&secret=b")}
	nobody := subscribe("")
	require.Equal(t, "forbidden", nobody.read()["code"])
	require.Eventually(t, func() bool { return calls.Load() == 3 }, time.Minute, time.Millisecond, "the baselines")
	w.settled(4)
	w.hub.NotifyLocal(live.KeyOf("items", "1"))
	require.Equal(t, "forbidden", nobody.read()["code"])
	for name, p := range peers {
		require.Equal(t, "for "+name[len(name)-1:], p.read()["data"])
	}
	require.EqualValues(t, 6, calls.Load())
}

// The version of rows is a hash of them: the boundaries between rows count.
func TestVersionsOfRows(t *testing.T) {
	t.Parallel()
	var rows atomic.Pointer[[][]byte]
	set := func(of ...string) {
		var all [][]byte
		for _, row := range of {
			all = append(all, []byte(row))
		}
		rows.Store(&all)
	}
	set("1", "23")
	w := newHandled(t, func(string) ([][]byte, error) { return *rows.Load(), nil })
	p := w.dial("protocol=2")
	p.send(`{"action":"subscribe","body":{"entity":"items","id":"1","have":""}}`)
	require.Equal(t, "subscribed", p.read()["type"])
	require.Equal(t, []any{1.0, 23.0}, p.read()["data"])
	set("12", "3")
	w.hub.NotifyLocal(live.KeyOf("items", "1"))
	require.Equal(t, []any{12.0, 3.0}, p.read()["data"])
	set()
	w.hub.NotifyLocal(live.KeyOf("items", "1"))
	require.Equal(t, true, p.read()["deleted"])
}

func TestHandleMistakes(t *testing.T) {
	t.Parallel()
	hub := live.New(live.Options{})
	fetch := func(context.Context, live.Key, string) ([][]byte, error) { return nil, nil }
	hub.Handle("items", fetch)
	hub.Handle("acme/items", fetch)
	require.Panics(t, func() { hub.Handle("default/items", fetch) }, "the name means the same as items")
	require.Panics(t, func() { hub.Handle("", fetch) })
	require.Panics(t, func() { hub.Handle("/items", fetch) })
}
