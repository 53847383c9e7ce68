package live_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/bus/localbus"
	"github.com/headgate/headgate/live"
)

// Who came while the bus was lost hears of what changed meanwhile as soon as the bus
// is there again.
func TestAChangeWhileTheBusIsLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	b := &lossy{Bus: localbus.New("live")}
	b.away.Store(true)
	s := &live.Signals{Bus: b, Topic: "live", Name: "instance-1", Hub: w.hub, Log: slog.New(slog.DiscardHandler)}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { s.Receive(ctx) })
	t.Cleanup(func() { cancel(); running.Wait(); _ = b.Close() })
	p := w.dial("protocol=2")
	p.send(`{"action":"subscribe","body":{"entity":"items","id":"1","have":""}}`)
	require.Equal(t, "subscribed", p.read()["type"])
	require.Equal(t, "gone", p.read()["type"])
	w.mu.Lock()
	w.states[live.KeyOf("items", "1")] = 7 // and another instance's signal does not arrive
	w.mu.Unlock()
	b.away.Store(false)
	require.Eventually(t, s.Connected, 30*time.Second, 5*time.Millisecond)
	require.Equal(t, "7", p.read()["version"])
}

// An entity that cannot be is none, and never all of its type.
func TestSignalsOfWhatCannotBe(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	p := w.dial("protocol=2")
	p.send(`{"action":"subscribe","body":{"entity":"items","id":"*"}}`)
	require.Equal(t, "subscribed", p.read()["type"])
	w.hub.Signal(live.KeyOf("items", live.Any))
	w.hub.Signal(live.KeyOf("items", ""))
	w.set("items", "1", 1)
	require.Equal(t, "1", p.read()["id"])
	require.EqualValues(t, 1, w.fetches.Load())
}
