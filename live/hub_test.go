package live_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/live"
)

// Draining tells clients to reconnect elsewhere, and a client that connects meanwhile.

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

// The callbacks report clients, subscriptions, and changes that clients got.
func TestCallbacks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		changed, delivered := make(chan live.Key, 1000), make(chan live.Delivery, 1000)
		w := newEntities(t, func(o *live.Options) {
			o.ClientsChanged = func(k live.Key) { changed <- k }
			o.Delivered = func(d live.Delivery) { delivered <- d }
		})
		b := newBlocked()
		c := w.hub.Connect(b, live.Versioned)
		require.Equal(t, live.Key{}, <-changed, "a client connected")
		items := live.KeyOf("items", "1")
		c.Handle(subscribeTo("1"))
		require.Equal(t, items, <-changed)
		require.Contains(t, <-b.frames, "subscribed")
		time.Sleep(time.Second)
		w.set(items, 7)
		require.Contains(t, <-b.frames, `"version":"7"`)
		d := <-delivered
		require.Equal(t, live.Delivery{At: d.At, Key: items, Version: "7", Clients: 1}, d)
		w.set(live.KeyOf("items", "2"), 7)
		time.Sleep(time.Second)
		require.Empty(t, delivered, "nobody subscribed to it")
		c.Close()
		require.Equal(t, live.Key{}, <-changed, "the client left")
		b.Close(0, "")
	})
}

// Start, Drain and Close may be called more than once, and Close without Start.
func TestCloseIsIdempotent(t *testing.T) {
	t.Parallel()
	h := live.New(live.Options{})
	require.NoError(t, h.Close(t.Context()))
	h.Start()
	h.Drain()
	require.NoError(t, h.Close(t.Context()))
}
