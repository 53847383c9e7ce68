package live_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/live"
)

// A client that comes back subscribes at once to all that it had: that is no flood.
func TestComingBackWithManySubscriptions(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(_ *world, o *live.Options) { o.FramesPerSecond = 1 }) // no machine is as slow as that
	p := w.dial("protocol=2")
	p.send(`{"action":"secret","body":"s"}`)
	for i := range live.DefaultMaxSubs {
		p.send(fmt.Sprintf(`{"action":"subscribe","body":{"entity":"items","id":"%d","have":""}}`, i))
	}
	for gone := 0; gone < live.DefaultMaxSubs; {
		if p.read()["type"] == "gone" {
			gone++
		}
	}
	for range 2 * live.DefaultMaxSubs {
		if p.conn.Write(t.Context(), 1, []byte(`{}`)) != nil {
			break
		}
	}
	require.Equal(t, 1008, p.code(), "and this is")
}
