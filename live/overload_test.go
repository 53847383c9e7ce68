package live_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/live"
)

// blocked is a transport whose peer does not read until the test does.
type blocked struct {
	frames chan string
	once   sync.Once
	over   chan struct{}
	code   int
}

func newBlocked() *blocked { return &blocked{frames: make(chan string), over: make(chan struct{})} }

func (b *blocked) Write(frame []byte) error {
	select {
	case b.frames <- string(frame):
		return nil
	case <-b.over:
		return net.ErrClosed
	}
}

func (b *blocked) Ping() error { return nil }

func (b *blocked) Close(code int, _ string) {
	b.once.Do(func() { b.code = code; close(b.over) })
}

// A client that says what it has of a thousand entities and reads nothing holds up
// nobody, and gets one answer for each when it reads.
func TestAnswersThatAreNotRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newEntities(t, nil)
		const n = 900
		for i := range n {
			w.versions[live.KeyOf("items", fmt.Sprint(i))] = 1
		}
		b := newBlocked()
		c := w.hub.Connect(b, 2)
		for i := range n {
			c.Handle(fmt.Sprintf(`{"action":"subscribe","body":{"entity":"items","id":"%d","have":"1"}}`, i))
		}
		time.Sleep(time.Second)
		other := newBlocked()
		o := w.hub.Connect(other, 2)
		o.Handle(`{"action":"subscribe","body":{"entity":"items","id":"0","have":""}}`)
		require.Contains(t, <-other.frames, "subscribed")
		require.Contains(t, <-other.frames, `"version":"1"`)
		current := 0
		for range 2 * n {
			if f := <-b.frames; strings.HasPrefix(f, `{"type":"current"`) {
				current++
			}
		}
		require.Equal(t, n, current)
		b.Close(0, "")
		other.Close(0, "")
	})
}

// A client that asks and asks and reads nothing is closed.
func TestEndlessQuestions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newEntities(t, nil)
		b := newBlocked()
		c := w.hub.Connect(b, 2)
		for range 1000 + live.DefaultMaxSubs + 100 {
			c.Handle(`{"action":"dance"}`)
		}
		<-b.over
		require.Equal(t, 1008, b.code)
		require.Zero(t, w.hub.Len())
	})
}

// What waits under a pattern is bounded, whatever else the client subscribed to,
// and the room is free again once it was read.
func TestPatternsThatAreNotRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newEntities(t, nil)
		b := newBlocked()
		c := w.hub.Connect(b, 2)
		c.Handle(`{"action":"subscribe","body":{"entity":"items","id":"*"}}`)
		c.Handle(`{"action":"subscribe","body":{"entity":"items","id":"7"}}`)
		require.Contains(t, <-b.frames, "subscribed")
		require.Contains(t, <-b.frames, "subscribed")
		for round := 1; round <= 3; round++ {
			for i := range 1200 {
				w.set(live.KeyOf("items", fmt.Sprint(i)), round)
			}
			time.Sleep(time.Second) // all are fetched
			require.LessOrEqual(t, c.Waiting(), 1002)
			kinds := map[string]int{}
			for synctest.Wait(); c.Waiting() > 0; synctest.Wait() {
				kinds[kind(t, <-b.frames)]++
			}
			kinds[kind(t, <-b.frames)]++ // the one in the writer's hands
			require.Equal(t, 1, kinds["resync"], "round %d: %v", round, kinds)
			require.GreaterOrEqual(t, kinds["entity"], 1000)
		}
		// Whichever of two subscriptions a state was queued for, the other still wants it.
		w.set(live.KeyOf("items", "1"), 10) // for the writer to hold
		time.Sleep(time.Second)
		w.set(live.KeyOf("items", "7"), 10)
		time.Sleep(time.Second)
		c.Handle(`{"action":"unsubscribe","body":{"entity":"items","id":"*"}}`)
		seen := ""
		for !strings.Contains(seen, `"unsubscribed"`) {
			seen += <-b.frames
		}
		require.Contains(t, seen, `"id":"7","version":"10"`)
		b.Close(0, "")
	})
}

func kind(t *testing.T, frame string) string {
	t.Helper()
	var m struct{ Type string }
	require.NoError(t, json.Unmarshal([]byte(frame), &m), frame)
	return m.Type
}

// What cannot be fetched for long is tried until it can, and the client is told once.
func TestALongOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newEntities(t, func(o *live.Options) { o.Compare = 24 * time.Hour })
		b := newBlocked()
		c := w.hub.Connect(b, 2)
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
		require.Equal(t, before, w.tried(), "nobody waits for it any more")
	})
}

// entityWorld is entities and a hub, without a network: time is synctest's.
type entityWorld struct {
	hub *live.Hub

	mu       sync.Mutex
	versions map[live.Key]int
	fetches  int
	failing  bool
}

func (*entityWorld) PerSecret() bool { return false }

func (w *entityWorld) Resolve(_ context.Context, k live.Key, _ string) (live.State, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fetches++
	if w.failing {
		return live.State{}, errors.New("away")
	}
	v := w.versions[k]
	if v == 0 {
		return live.State{Gone: true}, nil
	}
	return live.State{Version: fmt.Sprint(v), Rows: [][]byte{fmt.Appendf(nil, `{"id":%q,"v":%d}`, k.ID, v)}}, nil
}

func (w *entityWorld) set(k live.Key, v int) {
	w.mu.Lock()
	w.versions[k] = v
	w.mu.Unlock()
	w.hub.Signal(k)
}

func (w *entityWorld) fail(yes bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failing = yes
}

func (w *entityWorld) tried() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.fetches
}

func newEntities(t *testing.T, change func(*live.Options)) *entityWorld {
	w := &entityWorld{versions: map[live.Key]int{}}
	o := live.Options{
		Resolver: func(live.Key) live.Resolver { return w }, Log: slog.New(slog.DiscardHandler), Random: func() string { return "c" },
	}
	if change != nil {
		change(&o)
	}
	w.hub = live.New(o)
	w.hub.Start()
	t.Cleanup(func() { require.NoError(t, w.hub.Close(context.Background())) })
	return w
}
