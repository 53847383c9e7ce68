package live_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/live"
)

// Who was refused and then says the right secret is told what there is; who was not
// is told nothing that it has.
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

// Who was refused and may see the entity later is told at the next comparison.
func TestAllowedLater(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world, o *live.Options) { w.secrets, o.Compare = true, 20*time.Millisecond })
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
