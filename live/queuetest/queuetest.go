// Package queuetest is the suite that every driver of [live.Queue] passes. It requires only
// what the contract promises: data may arrive twice and in any order.
package queuetest

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/live"
)

// patience bounds every wait. It is long, so that a slow queue does not fail.
const patience = 30 * time.Second

// Run runs the suite. open returns the queues of two instances of one server, which
// share nothing with other tests, and closes them when the test ends. An in-process
// queue is returned twice.
func Run(t *testing.T, open func(t testing.TB) (one, two live.Queue)) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, live.Queue, live.Queue){
		"EveryInstanceGetsAll":   everyInstanceGetsAll,
		"Largest":                largest,
		"Concurrent":             concurrent,
		"ReceiveEnds":            receiveEnds,
		"PublishWithNoReceiver":  publishWithNoReceiver,
		"PublishAfterItsContext": publishAfterItsContext,
		"TwoHubs":                twoHubs,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			one, two := open(t)
			test(t, one, two)
		})
	}
}

// receiver collects the data that a queue delivers.
type receiver struct {
	t    testing.TB
	got  chan string
	stop func() error
}

// receive starts a receiver, and returns once published data will arrive at it.
func receive(t testing.TB, q live.Queue) *receiver {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, over := make(chan struct{}), make(chan error, 1)
	r := &receiver{t: t, got: make(chan string, 10_000)}
	go func() {
		over <- q.Receive(ctx, sync.OnceFunc(func() { close(ready) }), func(data []byte) { r.got <- string(data) })
	}()
	r.stop = sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-over:
			return err
		case <-time.After(patience):
			return fmt.Errorf("no return from Receive within %v of the end of its context", patience)
		}
	})
	t.Cleanup(func() { _ = r.stop() })
	select {
	case <-ready:
	case err := <-over:
		require.Failf(t, "Receive returned before it was ready", "error: %v", err)
	case <-time.After(patience):
		require.Fail(t, "Receive does not call ready")
	}
	return r
}

// gets waits until all of want has arrived. Other data, and data that arrives twice, are
// allowed.
func (r *receiver) gets(want ...string) {
	r.t.Helper()
	missing := map[string]bool{}
	for _, w := range want {
		missing[w] = true
	}
	deadline := time.After(patience)
	for len(missing) > 0 {
		select {
		case data := <-r.got:
			delete(missing, data)
		case <-deadline:
			require.Failf(r.t, "data did not arrive", "%d of %d", len(missing), len(want))
		}
	}
}

func publish(t testing.TB, q live.Queue, data string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, q.Publish(ctx, []byte(data)))
}

func everyInstanceGetsAll(t *testing.T, one, two live.Queue) {
	a, b := receive(t, one), receive(t, two)
	publish(t, one, "from one")
	publish(t, two, "from two")
	a.gets("from one", "from two")
	b.gets("from one", "from two")
}

func largest(t *testing.T, one, two live.Queue) {
	r := receive(t, two)
	data := string(bytes.Repeat([]byte{0, 'x', 0xff, '\n'}, 256<<10/4))
	publish(t, one, data)
	r.gets(data)
}

func concurrent(t *testing.T, one, two live.Queue) {
	r := receive(t, two)
	const publishers, each = 8, 50
	var want []string
	var wg sync.WaitGroup
	for p := range publishers {
		for i := range each {
			want = append(want, fmt.Sprint(p, "/", i))
		}
		wg.Go(func() {
			for i := range each {
				if err := one.Publish(context.Background(), fmt.Append(nil, p, "/", i)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	r.gets(want...)
}

// receiveEnds requires that Receive returns nil when its context ends, and may be called
// again.
func receiveEnds(t *testing.T, one, two live.Queue) {
	require.NoError(t, receive(t, one).stop())
	r := receive(t, one)
	publish(t, two, "again")
	r.gets("again")
	require.NoError(t, r.stop())
}

func publishWithNoReceiver(t *testing.T, one, _ live.Queue) { publish(t, one, "nobody listens") }

func publishAfterItsContext(t *testing.T, one, _ live.Queue) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Error(t, one.Publish(ctx, []byte("late")))
}

// twoHubs requires that a change announced to one hub reaches a client of the other hub.
func twoHubs(t *testing.T, one, two live.Queue) {
	var version atomic.Int64
	version.Store(1)
	var hubs []*live.Hub
	for _, q := range []live.Queue{one, two} {
		h := live.New(live.Options{Queue: q})
		h.Handle("items", func(context.Context, live.Key, string) ([][]byte, error) {
			return [][]byte{fmt.Appendf(nil, `{"v":%d}`, version.Load())}, nil
		})
		h.Start()
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			require.NoError(t, h.Close(ctx))
		})
		require.Eventually(t, h.Connected, patience, 5*time.Millisecond)
		hubs = append(hubs, h)
	}
	srv := httptest.NewServer(hubs[1].EventStream())
	t.Cleanup(srv.Close)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL+"?entity=items&id=1", nil)
	require.NoError(t, err)
	resp, err := srv.Client().Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	until := func(part string) {
		t.Helper()
		for lines.Scan() {
			if strings.Contains(lines.Text(), part) {
				return
			}
		}
		require.Failf(t, "the stream ended", "without %s: %v", part, lines.Err())
	}
	until(`"data":{"v":1}`)
	version.Store(2)
	require.NoError(t, hubs[0].Notify(t.Context(), live.KeyOf("items", "1")))
	until(`"data":{"v":2}`)
}
