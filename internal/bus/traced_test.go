package bus_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/bus"
	"github.com/headgate/headgate/internal/bus/localbus"
	"github.com/headgate/headgate/internal/platform/trace"
	"github.com/headgate/headgate/internal/platform/trace/tracetest"
)

const topic = "projects/p/topics/t"

// The receiver of a message continues the trace of its sender. A message that was sent outside
// of a trace is sent as it is.
func TestMessageCarriesTheTrace(t *testing.T) {
	t.Parallel()
	var spans tracetest.Recorder
	tracer := trace.New(&spans)
	b := bus.Traced(localbus.New(topic), tracer, "test")
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	ctx, stop := context.WithCancel(t.Context())
	ready, got, done := make(chan struct{}), make(chan trace.Context, 3), make(chan error)
	attributes := make(chan map[string]string, 3)
	failed := errors.New("again")
	go func() {
		done <- b.Receive(ctx, bus.Subscription{Topic: topic, Name: "sub"}, func() { close(ready) }, func(ctx context.Context, m bus.Message) error {
			got <- trace.Of(ctx)
			attributes <- m.Attributes
			if err := failed; string(m.Data) == "fail" {
				failed = nil
				return err
			}
			return nil
		})
	}()
	<-ready
	_, err := b.Publish(t.Context(), topic, bus.Message{Data: []byte("plain"), Attributes: map[string]string{"a": "b"}})
	require.NoError(t, err)
	require.Zero(t, <-got)
	require.Equal(t, map[string]string{"a": "b"}, <-attributes)

	sender, span := tracer.Start(t.Context(), trace.Server, "request")
	_, err = b.Publish(sender, topic, bus.Message{Data: []byte("fail")})
	require.NoError(t, err)
	first, second := <-got, <-got // it is delivered again
	stop()
	require.NoError(t, <-done)
	sent := spans.Named("publish " + topic)
	require.Len(t, sent, 1)
	require.Equal(t, span.Context(), sent[0].Parent)
	require.Equal(t, trace.Producer, sent[0].Kind)
	require.Equal(t, sent[0].String(), (<-attributes)[bus.TraceParent])
	processed := spans.Named("process " + topic)
	require.Len(t, processed, 2)
	for i, c := range []trace.Context{first, second} {
		require.Equal(t, c, processed[i].Context)
		require.Equal(t, sent[0].Context, processed[i].Parent)
		require.Equal(t, trace.Consumer, processed[i].Kind)
		require.Equal(t, "sub", processed[i].Attributes["messaging.destination.subscription.name"])
		require.Equal(t, "test", processed[i].Attributes["messaging.system"])
	}
	require.Equal(t, []string{"_OTHER", ""}, []string{processed[0].Failed, processed[1].Failed})
}

func TestWithoutTracingTheBusIsAsItWas(t *testing.T) {
	t.Parallel()
	b := localbus.New(topic)
	require.Same(t, b, bus.Traced(b, nil, "test"))
	require.NoError(t, b.Close())
}
