package live_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/live"
)

// The known faults of entity-sync, by name. The hub has none of them.
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
			for !strings.Contains(quick.text(), fmt.Sprintf(`"v":%d}`, v)) {
			}
		}
		for _, c := range w.hub.Clients() {
			require.LessOrEqual(t, c.Waiting, 1, "only the newest state of an entity waits")
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
		w.hub.NotifyLocal(live.KeyOf("dragons", "1"))
		p := w.dial("")
		p.send(`{"action":"subscribe","body":{"entity":"items","id":"1"}}`)
		w.settled(1)
		w.set("items", "1", 1)
		require.Contains(t, p.text(), `"v":1`)
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
		time.Sleep(20 * time.Millisecond) // for the baseline to end
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
		p.send(strings.Repeat("x", live.DefaultMaxFrameBytes+1))
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
			for v := 2; ctx.Err() == nil; v++ { // nothing tells a Plain client that its secret arrived
				w.set("items", "1", v)
				time.Sleep(5 * time.Millisecond)
			}
		}()
		require.Contains(t, p.text(), `{"id":"1","v":`)
	})
}
