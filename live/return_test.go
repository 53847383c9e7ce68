package live_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/live"
)

// Who comes back subscribes at once to all that it had: that is no flood.
func TestComingBackWithManySubscriptions(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
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
	for range 5 * live.DefaultFrames {
		if p.conn.Write(t.Context(), 1, []byte(`{}`)) != nil {
			break
		}
	}
	require.Equal(t, 1008, p.code(), "and this is")
}
