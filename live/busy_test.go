package live_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/live"
)

// deaf is a connection whose pongs do not come through.
type deaf struct{}

func (deaf) Write([]byte) error { return nil }
func (deaf) Ping() error        { return errors.New("no answer in time") }
func (deaf) Close(int, string)  {}

// A client's pong waits behind its frames. While those wait for whom they are passed
// on to, it is not gone.
func TestAClientIsNotGoneWhileItsFramesWait(t *testing.T) {
	t.Parallel()
	begun, end := make(chan struct{}), make(chan struct{})
	w := newWorld(t, func(_ *world, o *live.Options) {
		o.PassThrough = func(context.Context, string, []byte) error {
			close(begun)
			<-end
			return nil
		}
	})
	c := w.hub.Connect(deaf{}, 2)
	handled := make(chan struct{})
	go func() { c.Handle(`{"x":1}`); close(handled) }()
	<-begun
	w.hub.Beat()
	require.Equal(t, 1, w.hub.Len())
	close(end)
	<-handled
	w.hub.Beat()
	require.Zero(t, w.hub.Len(), "it is when it says nothing")
}
