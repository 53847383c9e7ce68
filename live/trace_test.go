package live_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/live"
)

type traceKey struct{}

// tracedResolver tells the trace in which it is called.
type tracedResolver struct {
	*world
	resolved chan<- any
}

func (r tracedResolver) Resolve(ctx context.Context, k live.Key, secret string) (live.State, error) {
	r.resolved <- ctx.Value(traceKey{})
	return r.world.Resolve(ctx, k, secret)
}

// A change carries the traceparent of Notify to the clients of other instances. A change
// without one begins nothing.
func TestChangesCarryTheTrace(t *testing.T) {
	t.Parallel()
	type end struct {
		key         live.Key
		traceparent string
		clients     int
		err         error
	}
	ended, resolved := make(chan end, 10), make(chan any, 10)
	q := newQueue(t)
	share := func(w *world, o *live.Options) {
		o.Queue = q
		o.Resolver = func(live.Key) live.Resolver { return tracedResolver{w, resolved} }
		o.Traceparent = func(ctx context.Context) string {
			s, _ := ctx.Value(traceKey{}).(string)
			return s
		}
		o.Trace = func(ctx context.Context, k live.Key, traceparent string) (context.Context, func(int, error)) {
			return context.WithValue(ctx, traceKey{}, "continues "+traceparent), func(clients int, err error) {
				ended <- end{k, traceparent, clients, err}
			}
		}
	}
	a, b := newWorld(t, share), newWorld(t, share)
	connected(t, a.hub)
	connected(t, b.hub)
	p := b.dial("")
	p.send(subscribeTo("1"))
	b.settled(1)

	b.setSilently("items", "1", 1)
	require.NoError(t, a.hub.Notify(t.Context(), live.KeyOf("items", "1")))
	require.Equal(t, `{"id":"1","v":1}`, p.text())
	for len(resolved) > 0 {
		require.Nil(t, <-resolved)
	}
	require.Empty(t, ended)

	b.setSilently("items", "1", 2)
	traced := context.WithValue(t.Context(), traceKey{}, "00-x")
	require.NoError(t, a.hub.Notify(traced, live.KeyOf("others", "7"), live.KeyOf("items", "1"))) // one message, and nobody subscribed to the first
	require.Equal(t, `{"id":"1","v":2}`, p.text())
	require.Equal(t, "continues 00-x", <-resolved)
	require.Equal(t, end{live.KeyOf("items", "1"), "00-x", 1, nil}, <-ended)
	require.Empty(t, ended)
}

// An instance of an earlier version, which knows only keys, reads the same keys.
func TestMessageWithTraceHasTheSameKeys(t *testing.T) {
	t.Parallel()
	keys := []live.Key{live.KeyOf("items", "1"), live.KeyOf("acme/items", "2")}
	data, n, err := live.TracedMessage("00-x", keys)
	require.NoError(t, err)
	require.Equal(t, 2, n)
	require.JSONEq(t, `[{"org":"default","type":"items","id":"1","traceparent":"00-x"},{"org":"acme","type":"items","id":"2"}]`, string(data))
}
