package live_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/live"
	"github.com/headgate/headgate/live/localqueue"
)

func newQueue(t *testing.T) *localqueue.Queue {
	t.Helper()
	q := localqueue.New()
	t.Cleanup(func() { require.NoError(t, q.Close()) })
	return q
}

func connected(t *testing.T, h *live.Hub) {
	t.Helper()
	require.Eventually(t, h.Connected, time.Minute, time.Millisecond)
}

func TestNotifyReachesOtherInstances(t *testing.T) {
	t.Parallel()
	q := newQueue(t)
	share := func(_ *world, o *live.Options) { o.Queue = q }
	a, b := newWorld(t, share), newWorld(t, share)
	connected(t, a.hub)
	connected(t, b.hub)
	p := b.dial("")
	p.send(subscribeTo("1"))
	b.settled(1)
	b.setSilently("items", "1", 1)
	require.NoError(t, a.hub.Notify(t.Context(), live.KeyOf("items", "1")))
	require.Equal(t, `{"id":"1","v":1}`, p.text())
}

// The queue's messages are bounded, in keys and in bytes, and no key is lost.
func TestMessagesAreBounded(t *testing.T) {
	t.Parallel()
	var keys []live.Key
	for i := range 600 {
		keys = append(keys, live.KeyOf("items", fmt.Sprint(i)))
	}
	for i := range 600 {
		keys = append(keys, live.KeyOf("items", fmt.Sprint(strings.Repeat("\x01", 990), i))) // six bytes each in JSON
	}
	var got []live.Key
	for rest := keys; len(rest) > 0; {
		data, n, err := live.Message(rest)
		require.NoError(t, err)
		require.LessOrEqual(t, len(data), live.MaxMessage)
		require.LessOrEqual(t, n, 500)
		var some []live.Key
		require.NoError(t, json.Unmarshal(data, &some))
		require.Len(t, some, n)
		got, rest = append(got, some...), rest[n:]
	}
	require.Equal(t, keys, got)
}

// flaky is a queue that can break.
type flaky struct {
	live.Queue
	mu    sync.Mutex
	end   context.CancelFunc // ends Receive
	broke atomic.Bool
}

func (f *flaky) Publish(ctx context.Context, data []byte) error {
	if f.broke.Load() {
		return errors.New("away")
	}
	return f.Queue.Publish(ctx, data)
}

func (f *flaky) Receive(ctx context.Context, ready func(), handle func([]byte)) error {
	if f.broke.Load() {
		return errors.New("away")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	f.mu.Lock()
	f.end = cancel
	f.mu.Unlock()
	err := f.Queue.Receive(ctx, ready, handle)
	if f.broke.Load() {
		return errors.New("lost")
	}
	return err
}

func (f *flaky) fail() {
	f.broke.Store(true)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.end()
}

// An instance whose queue breaks sends its clients to other instances and reports it.
// It recovers when the queue does.
func TestTheQueueBreaks(t *testing.T) {
	t.Parallel()
	q := &flaky{Queue: newQueue(t)}
	w := newWorld(t, func(_ *world, o *live.Options) { o.Queue = q })
	connected(t, w.hub)
	p := w.dial("protocol=2")
	q.fail()
	require.Equal(t, "bye", p.read()["type"])
	require.Equal(t, 1012, p.code())
	require.False(t, w.hub.Connected())
	q.broke.Store(false)
	connected(t, w.hub)
}

// A client that connected while the queue was broken learns of what changed meanwhile as
// soon as the queue works.
func TestAChangeWhileTheQueueIsBroken(t *testing.T) {
	t.Parallel()
	q := &flaky{Queue: newQueue(t)}
	q.broke.Store(true)
	w := newWorld(t, func(_ *world, o *live.Options) { o.Queue = q })
	p := w.dial("protocol=2")
	p.send(`{"action":"subscribe","body":{"entity":"items","id":"1","have":""}}`)
	require.Equal(t, "subscribed", p.read()["type"])
	require.Equal(t, "gone", p.read()["type"])
	w.setSilently("items", "1", 7)
	q.broke.Store(false)
	connected(t, w.hub)
	require.Equal(t, "7", p.read()["version"])
}

// If the queue does not take a change, the clients of this instance get it all the same.
func TestNotifyWithoutTheQueue(t *testing.T) {
	t.Parallel()
	q := &flaky{Queue: newQueue(t)}
	q.broke.Store(true)
	w := newWorld(t, func(_ *world, o *live.Options) { o.Queue = q })
	p := w.dial("")
	p.send(subscribeTo("1"))
	w.settled(1)
	w.setSilently("items", "1", 1)
	require.ErrorIs(t, w.hub.Notify(t.Context(), live.KeyOf("items", "1")), live.ErrQueue)
	require.Equal(t, `{"id":"1","v":1}`, p.text())
}

// A message was lost: the comparison of versions finds the change, also for clients
// whose version nobody knows.
func TestALostMessage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(_ *world, o *live.Options) { o.CompareEvery = 30 * time.Millisecond })
	w.set("items", "1", 1)
	plain, p := w.dial(""), w.dial("protocol=2")
	plain.send(subscribeTo("1"))
	p.send(`{"action":"subscribe","body":{"entity":"items","id":"1","have":""}}`)
	require.Equal(t, "subscribed", p.read()["type"])
	require.Equal(t, "1", p.read()["version"])
	w.settled(2)
	w.setSilently("items", "1", 2)
	require.Equal(t, "2", p.read()["version"])
	require.Equal(t, `{"id":"1","v":2}`, plain.text())
}

// A key that names no entity is ignored. It never means all of its type.
func TestNotifyOfNoEntity(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	p := w.dial("protocol=2")
	p.send(subscribeTo("*"))
	require.Equal(t, "subscribed", p.read()["type"])
	require.NoError(t, w.hub.Notify(t.Context(), live.KeyOf("items", live.Any), live.KeyOf("", "1")))
	w.set("items", "1", 1)
	require.Equal(t, "1", p.read()["id"])
	require.EqualValues(t, 1, w.fetches.Load())
}

// A server that learns of changes without names has the versions of some entities compared
// at once. Only what changed is sent, and the resolver knows that no change was announced.
func TestVersionsAreComparedOnRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newEntities(t, func(o *live.Options) { o.CompareEvery = 24 * time.Hour })
		b := newBlocked()
		c := w.hub.Connect(b, live.Plain)
		for _, id := range []string{"1", "2", "3"} {
			c.Handle(`{"action":"subscribe","body":{"entity":"items","id":"` + id + `"}}`)
		}
		time.Sleep(time.Second)
		for _, id := range []string{"1", "2"} {
			w.setSilently(live.KeyOf("items", id), 7)
		}
		before := w.tried()
		w.hub.Compare(func(k live.Key) bool { return k.ID != "2" })
		time.Sleep(time.Second)
		require.Equal(t, before+2, w.tried())
		require.Equal(t, `{"id":"1","v":7}`, <-b.frames)
		require.Zero(t, c.Waiting(), "3 did not change, and 2 was not compared")
		require.Zero(t, w.announced())

		w.set(live.KeyOf("items", "3"), 8)
		require.Equal(t, `{"id":"3","v":8}`, <-b.frames)
		require.Equal(t, 1, w.announced())
	})
}
