package live_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/live"
)

func TestAllOfAType(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	p := w.dial("protocol=2")
	p.send(`{"action":"subscribe","body":{"entity":"acme/items","id":"*"}}`)
	require.Equal(t, "subscribed", p.read()["type"])
	w.set("items", "1", 1) // of another organisation
	w.set("acme/items", "x", 1)
	m := p.read()
	require.Equal(t, "acme/items", m["entity"])
	require.Equal(t, "x", m["id"])
	w.set("acme/items", "y", 3)
	require.Equal(t, "y", p.read()["id"])
	require.Equal(t, int64(2), w.fetches.Load(), "one fetch for each entity")
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world, _ *live.Options) { w.secrets = true })
	w.denied["bad"] = true
	w.set("items", "1", 1)
	good, bad := w.dial("protocol=2&secret=good"), w.dial("protocol=2&secret=bad")
	for _, p := range []*peer{good, bad} {
		p.send(`{"action":"subscribe","body":{"entity":"items","id":"1","have":""}}`)
		require.Equal(t, "subscribed", p.read()["type"])
	}
	require.Equal(t, "entity", good.read()["type"])
	m := bad.read()
	require.Equal(t, "forbidden", m["code"])
	bad.send(`{"action":"secret","body":"good"}`)
	require.Equal(t, "secret", bad.read()["type"])
	w.set("items", "1", 2)
	require.Equal(t, "2", good.read()["version"])
	if m = bad.read(); m["version"] == "1" { // what the new secret may see came before the change
		m = bad.read()
	}
	require.Equal(t, "2", m["version"])

	only := w.dial("protocol=2&only=items/7")
	only.send(`{"action":"subscribe","body":{"entity":"items","id":"1"}}`)
	require.Equal(t, "forbidden", only.read()["code"])
	only.send(`{"action":"subscribe","body":{"entity":"items","id":"7"}}`)
	require.Equal(t, "subscribed", only.read()["type"])
}

// A client that was told "forbidden" and then sends the right secret gets the state.
func TestTheRightSecretAfterAWrongOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world, _ *live.Options) { w.secrets = true })
	w.denied["wrong"] = true
	w.set("items", "1", 3)
	p := w.dial("protocol=2&secret=wrong")
	p.send(`{"action":"subscribe","body":{"entity":"items","id":"1","have":""}}`)
	require.Equal(t, "subscribed", p.read()["type"])
	require.Equal(t, "forbidden", p.read()["code"])
	p.send(`{"action":"secret","body":"right"}`)
	types := map[any]any{}
	for range 2 {
		m := p.read()
		types[m["type"]] = m["version"]
	}
	require.Equal(t, map[any]any{"secret": nil, "entity": "3"}, types)
}

// A client that was told "forbidden" and may see the entity later gets it at the next
// comparison.
func TestAllowedLater(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world, o *live.Options) { w.secrets, o.CompareEvery = true, 20*time.Millisecond })
	w.denied["s"] = true
	w.set("items", "1", 3)
	p, plain := w.dial("protocol=2&secret=s"), w.dial("secret=s")
	p.send(`{"action":"subscribe","body":{"entity":"items","id":"1","have":""}}`)
	plain.send(`{"action":"subscribe","body":{"entity":"items","id":"1"}}`)
	require.Equal(t, "subscribed", p.read()["type"])
	require.Equal(t, "forbidden", p.read()["code"])
	w.mu.Lock()
	delete(w.denied, "s")
	w.mu.Unlock()
	require.Equal(t, "3", p.read()["version"])
}

// A change is not lost if it arrives while a client changes its secret: the new
// subscriptions fetch what waited for the old ones.
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
			require.Eventually(t, func() bool { return w.fetches.Load() > 0 }, time.Minute, time.Millisecond)
			time.Sleep(50 * time.Millisecond) // for the baseline to end
		}
		// It runs when the old subscriptions are replaced and the new ones not registered.
		change := func() {
			before := w.fetches.Load()
			w.set("items", "1", 2)
			for w.fetches.Load() == before {
				time.Sleep(time.Millisecond)
			}
			time.Sleep(50 * time.Millisecond) // for the state to be offered
		}
		between.Store(&change)
		p.send(`{"action":"secret","body":"new"}`)
		if protocol == "" {
			require.JSONEq(t, `{"id":"1","v":2}`, p.text())
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
