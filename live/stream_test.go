package live_test

import (
	"bufio"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/live"
)

// An EventSource does not read "bye": it is told when to come back in its own way, so
// that not all come at once.
func TestStreamsAreToldWhenToComeBack(t *testing.T) {
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
	require.Equal(t, 2000, retries[0])
	require.GreaterOrEqual(t, retries[1], 100)
	require.Less(t, retries[1], 5000)
}

// A client that comes in the moment in which all are sent away gets an event stream.
func TestAStreamThatComesAsAllGo(t *testing.T) {
	t.Parallel()
	var hub *live.Hub
	var once sync.Once
	w := newWorld(t, func(_ *world, o *live.Options) {
		o.Moved = func() {
			once.Do(func() {
				hub.CloseClients("go")
				time.Sleep(50 * time.Millisecond) // what it may write by then, it does
			})
		}
	})
	hub = w.hub
	resp, err := http.DefaultClient.Get(w.url + "/live?entity=items&id=1")
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, "text/event-stream", resp.Header.Get("Content-Type"))
}
