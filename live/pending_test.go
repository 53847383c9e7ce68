package live_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/live"
)

// A client that asks about hundreds of entities and does not read slows nobody, and gets
// one answer for each when it reads.
func TestAnswersThatAreNotRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newEntities(t, nil)
		const n = 900
		for i := range n {
			w.versions[live.KeyOf("items", fmt.Sprint(i))] = 1
		}
		b := newBlocked()
		c := w.hub.Connect(b, live.Versioned)
		for i := range n {
			c.Handle(fmt.Sprintf(`{"action":"subscribe","body":{"entity":"items","id":"%d","have":"1"}}`, i))
		}
		time.Sleep(time.Second)
		other := newBlocked()
		o := w.hub.Connect(other, live.Versioned)
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

// A client that keeps asking and does not read is closed.
func TestEndlessQuestions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newEntities(t, nil)
		b := newBlocked()
		c := w.hub.Connect(b, live.Versioned)
		for range 1000 + live.DefaultMaxSubscriptions + 100 {
			c.Handle(`{"action":"dance"}`)
		}
		<-b.over
		require.Equal(t, 1008, b.code)
		require.Zero(t, w.hub.Len())
	})
}

// The changes that wait for a subscription to all of a type are bounded, even if the client
// has other subscriptions. There is room again once the client has read them.
func TestAllOfATypeThatIsNotRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newEntities(t, nil)
		b := newBlocked()
		c := w.hub.Connect(b, live.Versioned)
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
			kinds[kind(t, <-b.frames)]++ // the one that is being written
			require.Equal(t, 1, kinds["resync"], "round %d: %v", round, kinds)
			require.GreaterOrEqual(t, kinds["entity"], 1000)
		}
		// A state that was queued for one of two subscriptions is still wanted by the other.
		w.set(live.KeyOf("items", "1"), 10) // this one is being written
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

// A client gets a state once, also if it has subscribed to the entity and to all of its type, and
// still gets it by the one subscription after it gave up the other.
func TestAStateComesOnceByTwoSubscriptions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newEntities(t, nil)
		b := newBlocked()
		defer b.Close(0, "")
		c := w.hub.Connect(b, live.Versioned)
		for _, id := range []string{"1", "*"} {
			c.Handle(subscribeTo(id))
			require.Contains(t, <-b.frames, "subscribed")
		}
		version := 0
		comesOnce := func() {
			version++
			w.set(live.KeyOf("items", "1"), version)
			time.Sleep(time.Second) // it is fetched
			require.Contains(t, <-b.frames, fmt.Sprintf(`"version":"%d"`, version))
			synctest.Wait()
			select {
			case again := <-b.frames:
				require.Fail(t, "it comes once", again)
			default:
			}
		}
		for range 3 {
			comesOnce()
		}
		c.Handle(`{"action":"unsubscribe","body":{"entity":"items","id":"1"}}`)
		require.Contains(t, <-b.frames, "unsubscribed")
		comesOnce()
	})
}

// kind returns the type of a frame.
func kind(t *testing.T, frame string) string {
	t.Helper()
	var m struct{ Type string }
	require.NoError(t, json.Unmarshal([]byte(frame), &m), frame)
	return m.Type
}
