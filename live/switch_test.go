package live_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/live"
)

// A change that comes while a client says another secret is not lost: what the old
// one was to be shown is asked for anew.
func TestAChangeWhileTheSecretChanges(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{"", "protocol=2&"} {
		var w *world
		var between atomic.Pointer[func()]
		w = newWorld(t, func(w *world, o *live.Options) {
			w.secrets = true
			o.Resolver = func(live.Key) live.Resolver {
				if do := between.Swap(nil); do != nil {
					(*do)()
				}
				return w
			}
		})
		w.set("items", "1", 1)
		p := w.dial(protocol + "secret=old")
		p.send(`{"action":"subscribe","body":{"entity":"items","id":"1","have":""}}`)
		if protocol != "" {
			require.Equal(t, "subscribed", p.read()["type"])
			require.Equal(t, "1", p.read()["version"])
		} else {
			require.Eventually(t, func() bool { return w.fetches.Load() > 0 }, 5*time.Second, time.Millisecond)
			time.Sleep(50 * time.Millisecond) // the baseline's
		}
		change := func() { // when nothing of the old secret's is written any more, and the new one has no subscription yet
			before := w.fetches.Load()
			w.set("items", "1", 2)
			for w.fetches.Load() == before {
				time.Sleep(time.Millisecond)
			}
			time.Sleep(50 * time.Millisecond) // it is offered
		}
		between.Store(&change)
		p.send(`{"action":"secret","body":"new"}`)
		if protocol == "" {
			require.JSONEq(t, `{"id":"1","v":2}`, p.raw())
			continue
		}
		versions := map[any]any{}
		for range 2 {
			m := p.read()
			versions[m["type"]] = m["version"]
		}
		require.Equal(t, map[any]any{"secret": nil, "entity": "2"}, versions)
	}
}
