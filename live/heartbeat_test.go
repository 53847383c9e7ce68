package live_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/live"
)

// Connections end before the platform ends them.
func TestConnectionsEnd(t *testing.T) {
	t.Parallel()
	var clock atomic.Int64
	w := newWorld(t, func(_ *world, o *live.Options) {
		o.MaxConnection = time.Hour
		o.Now = func() time.Time { return time.Unix(1.7e9, clock.Load()) }
	})
	p := w.dial("protocol=2")
	beaten := make(chan struct{})
	go func() { w.hub.Beat(); close(beaten) }() // it only pings
	p.send(`{"action":"dance"}`)
	require.Equal(t, "error", p.read()["type"])
	p.send(`{"action":"dance"}`) // a client that reads answers pings
	require.Equal(t, "error", p.read()["type"])
	go func() { <-beaten; p.send(`{"action":"dance"}`) }()
	require.Equal(t, "error", p.read()["type"])
	clock.Store(int64(time.Hour))
	w.hub.Beat()
	require.Equal(t, "bye", p.read()["type"])
	require.Equal(t, 1012, p.code())
}

// A connection ends with the access that allowed it.
func TestConnectionsEndWithTheirAccess(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	var passed atomic.Int64
	w := newWorld(t, func(w *world, o *live.Options) {
		w.until = now.Add(time.Hour)
		o.Now = func() time.Time { return now.Add(time.Duration(passed.Load())) }
	})
	p := w.dial("protocol=2")
	passed.Store(int64(time.Hour))
	w.hub.Beat()
	m := p.read()
	require.Equal(t, "bye", m["type"])
	require.Contains(t, m["message"], "token")
	require.Equal(t, 1012, p.code())
}

// deaf is a connection whose pongs do not arrive.
type deaf struct{}

func (deaf) Write([]byte, bool) error { return nil }
func (deaf) Ping() error              { return errors.New("no answer in time") }
func (deaf) Close(int, string)        {}

// A client's pong comes behind its frames. While those wait for PassThrough, a missing
// pong does not end the connection.
func TestAMissingPongWhileAFrameIsHandled(t *testing.T) {
	t.Parallel()
	begun, end := make(chan struct{}), make(chan struct{})
	w := newWorld(t, func(_ *world, o *live.Options) {
		o.PassThrough = func(context.Context, string, []byte) error {
			close(begun)
			<-end
			return nil
		}
	})
	c := w.hub.Connect(deaf{}, live.Versioned)
	handled := make(chan struct{})
	go func() { c.Handle(`{"x":1}`); close(handled) }()
	<-begun
	w.hub.Beat()
	require.Equal(t, 1, w.hub.Len())
	close(end)
	<-handled
	w.hub.Beat()
	require.Zero(t, w.hub.Len(), "an idle client that does not answer is closed")
}

// full is a connection whose client has stopped reading: writes wait.
type full struct{ pings bool } // pings wait, too

func (full) Write([]byte, bool) error {
	time.Sleep(10 * time.Second)
	return errors.New("it does not read")
}
func (f full) Ping() error {
	if f.pings {
		return f.Write(nil, false)
	}
	return nil
}
func (full) Close(int, string) {}

// A client that does not read loses its connection within 5 s of the end of its access,
// whenever that comes between two pings.
func TestAccessEndsInTimeForAClientThatDoesNotRead(t *testing.T) {
	t.Parallel()
	for _, f := range []full{{pings: false}, {pings: true}} {
		for _, after := range []time.Duration{time.Second, 26 * time.Second, 40 * time.Second, 2 * time.Minute} {
			synctest.Test(t, func(t *testing.T) {
				w := newEntities(t, nil)
				w.hub.ConnectUntil(f, live.Versioned, time.Now().Add(after))
				time.Sleep(after + 5*time.Second)
				synctest.Wait()
				require.Zero(t, w.hub.Len(), "%v after %v", f, after)
				time.Sleep(time.Minute) // for what waits to end
			})
		}
	}
}
