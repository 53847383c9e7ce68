package live_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/live"
)

// The journal has what was sent last, newest first, of bounded size; entities about
// the hub itself are neither in it nor news.
func TestJournal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var moved atomic.Int64
		w := newEntities(t, func(o *live.Options) {
			o.Own, o.Moved = "own", func() { moved.Add(1) }
		})
		b := newBlocked()
		c := w.hub.Connect(b, 2)
		go func() {
			for {
				select {
				case <-b.frames:
				case <-b.over:
					return
				}
			}
		}()
		require.EqualValues(t, 1, moved.Load(), "a client came")
		c.Handle(`{"action":"subscribe","body":{"entity":"own/hub","id":"1"}}`)
		require.EqualValues(t, 1, moved.Load(), "who watches the hub is no news to those who do")
		for i := range 120 {
			c.Handle(fmt.Sprintf(`{"action":"subscribe","body":{"entity":"items","id":"%d"}}`, i))
			w.set(live.KeyOf("items", fmt.Sprint(i)), 7)
			time.Sleep(time.Second)
		}
		w.set(live.KeyOf("nobody", "listens"), 1)
		before := moved.Load()
		w.set(live.KeyOf("own/hub", "1"), 1)
		time.Sleep(time.Second)
		require.Equal(t, before, moved.Load())

		sent := w.hub.Journal()
		require.Len(t, sent, 100)
		require.Equal(t, "119", sent[0].ID)
		require.Equal(t, "20", sent[99].ID)
		require.Equal(t, 1, sent[0].Clients)
		require.Equal(t, "7", sent[0].Version)
		c.Close()
		require.Greater(t, moved.Load(), before, "a client left")
		b.Close(0, "")
	})
}
