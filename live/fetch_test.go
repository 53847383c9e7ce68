package live_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/live"
)

// A burst of changes costs one fetch in each interval, however many clients subscribed,
// and each of them ends at the newest state.
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

// A burst of changes of an entity costs one fetch in each interval also where clients
// subscribed only to all of its type.
func TestBurstUnderAllOfAType(t *testing.T) {
	t.Parallel()
	const coalesce = 100 * time.Millisecond
	w := newWorld(t, func(_ *world, o *live.Options) { o.Coalesce = coalesce })
	p := w.dial("protocol=2")
	p.send(`{"action":"subscribe","body":{"entity":"items","id":"*"}}`)
	require.Equal(t, "subscribed", p.read()["type"])
	began := time.Now()
	for i := 1; time.Since(began) < 5*coalesce; i++ {
		w.set("items", "1", i)
		if i%100 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	w.set("items", "1", 1<<40)
	for p.read()["version"] != fmt.Sprint(1<<40) {
	}
	require.LessOrEqual(t, w.fetches.Load(), int64(time.Since(began)/coalesce)+2)
}

func TestAFailedFetchIsRetried(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	p := w.dial("protocol=2")
	p.send(`{"action":"subscribe","body":{"entity":"items","id":"1"}}`)
	require.Equal(t, "subscribed", p.read()["type"])
	w.mu.Lock()
	w.failing = true
	w.mu.Unlock()
	w.set("items", "1", 1)
	require.Eventually(t, func() bool { return w.fetches.Load() >= 3 }, time.Minute, time.Millisecond)
	w.mu.Lock()
	w.failing = false
	w.mu.Unlock()
	require.Equal(t, "1", p.read()["version"])
}

// A fetch that fails for long is retried until it succeeds. The client is told once.
func TestALongOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newEntities(t, func(o *live.Options) { o.CompareEvery = 24 * time.Hour })
		b := newBlocked()
		c := w.hub.Connect(b, live.Versioned)
		c.Handle(`{"action":"subscribe","body":{"entity":"items","id":"1"}}`)
		require.Contains(t, <-b.frames, "subscribed")
		time.Sleep(time.Second)
		w.fail(true)
		w.set(live.KeyOf("items", "1"), 3)
		require.Contains(t, <-b.frames, `"unavailable"`)
		time.Sleep(10 * time.Minute)
		require.Zero(t, c.Waiting())
		w.fail(false)
		began := time.Now()
		require.Contains(t, <-b.frames, `"version":"3"`)
		require.Less(t, time.Since(began), 20*time.Second)

		w.fail(true)
		w.set(live.KeyOf("items", "1"), 4)
		c.Close()
		time.Sleep(time.Hour)
		before := w.tried()
		time.Sleep(time.Hour)
		require.Equal(t, before, w.tried(), "without subscribers there is no retry")
	})
}
