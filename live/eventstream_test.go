package live_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/live"
)

// events opens an event stream. next returns the id and the data of the next event.
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
	require.Equal(w, "no-store, no-transform", resp.Header.Get("Cache-Control"))
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
	for _, bad := range []string{"", "entity=a", "entity=&id=1", "id=1"} {
		resp, err := http.Get(w.url + "/live?" + bad)
		require.NoError(t, err)
		_ = resp.Body.Close()
		require.Equal(t, 400, resp.StatusCode, bad)
	}
}

// The ids of events do not grow with the changes of a subscription to all of a type.
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

// A page's EventSource does not report comments: a ping is an event of its own.
func TestStreamPing(t *testing.T) {
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

// An EventSource does not read "bye". It is told when to reconnect by "retry", at spread
// times.
func TestStreamsAreToldWhenToReconnect(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	resp, err := http.DefaultClient.Get(w.url + "/live?entity=items&id=1")
	require.NoError(t, err)
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	var retries []int
	for lines.Scan() {
		if v, ok := strings.CutPrefix(lines.Text(), "retry: "); ok {
			n, err := strconv.Atoi(v)
			require.NoError(t, err)
			retries = append(retries, n)
		}
		if strings.Contains(lines.Text(), `"gone"`) {
			w.hub.Drain()
		}
	}
	require.Len(t, retries, 2)
	require.GreaterOrEqual(t, retries[0], 1000)
	require.Less(t, retries[0], 4000)
	require.GreaterOrEqual(t, retries[1], 100)
	require.Less(t, retries[1], 5000)
}

// A client that connects while all are being closed gets an event stream all the same.
func TestAStreamThatConnectsDuringDrain(t *testing.T) {
	t.Parallel()
	var hub *live.Hub
	var once sync.Once
	w := newWorld(t, func(_ *world, o *live.Options) {
		o.ClientsChanged = func(live.Key) {
			once.Do(func() {
				hub.CloseClients("go")
				time.Sleep(50 * time.Millisecond) // for the close to write what it can
			})
		}
	})
	hub = w.hub
	resp, err := http.DefaultClient.Get(w.url + "/live?entity=items&id=1")
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, "text/event-stream", resp.Header.Get("Content-Type"))
}

// Clients that lose an instance at the same moment do not all return at the same moment.
func TestTheFirstRetryIsSpread(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	seen := map[string]bool{}
	for range 20 {
		resp, err := http.Get(w.url + "/live?entity=items&id=1")
		require.NoError(t, err)
		line, err := bufio.NewReader(resp.Body).ReadString('\n')
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Regexp(t, `^retry: [1-3][0-9]{3}\n$`, line)
		seen[line] = true
	}
	require.Greater(t, len(seen), 1)
}

// HEAD is answered with the stream's header, and connects no client.
func TestStreamHead(t *testing.T) {
	t.Parallel()
	joined := make(chan live.Key, 1)
	w := newWorld(t, func(_ *world, o *live.Options) {
		o.ClientsChanged = func(k live.Key) {
			select {
			case joined <- k:
			default:
			}
		}
	})
	resp, err := http.Head(w.url + "/live?entity=items&id=1")
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, 200, resp.StatusCode)
	require.Equal(t, "text/event-stream", resp.Header.Get("Content-Type"))
	require.Equal(t, "no-store, no-transform", resp.Header.Get("Cache-Control"))
	require.Empty(t, joined)

	resp, err = http.Head(w.url + "/live?entity=items")
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, 400, resp.StatusCode)
}
