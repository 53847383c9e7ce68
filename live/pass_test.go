package live_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/live"
)

// A frame that is for somebody else is passed on whatever is in it.
func TestPassThroughTakesAnyMembers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world, o *live.Options) {
		o.PassThrough = func(_ context.Context, _ string, frame []byte) error { w.passed <- string(frame); return nil }
	})
	p := w.dial("")
	for _, frame := range []string{`{"ref":7,"x":1}`, `{"REF":{"a":[]},"body":null}`, `{"action":null,"ref":[1]}`} {
		p.send(frame)
		select {
		case got := <-w.passed:
			require.Equal(t, frame, got)
		case <-time.After(30 * time.Second):
			require.Fail(t, "not passed on", frame)
		}
	}
	q := w.dial("protocol=2")
	q.send(`{"action":"subscribe","ref":7,"body":{"entity":"items","id":"1"}}`)
	require.Equal(t, "invalid", q.read()["code"])
	q.send(`{"action":7,"ref":"r"}`)
	m := q.read()
	require.Equal(t, "r", m["ref"])
	require.Equal(t, "the frame is not understood: action must be text", m["message"])
}
