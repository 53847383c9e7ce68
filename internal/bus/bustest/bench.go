package bustest

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/bus"
)

// Benchmark measures single publishes, parallel publishes, and the time from Publish to the
// handler.
func Benchmark(b *testing.B, open func(testing.TB) bus.Bus, newTopic func(testing.TB, bus.Bus) string) {
	m := bus.Message{Data: bytes.Repeat([]byte("a"), 300), Attributes: map[string]string{"type": "bench"}}
	b.Run("Publish", func(b *testing.B) {
		d := open(b)
		topic := newTopic(b, d)
		b.ReportAllocs()
		for b.Loop() {
			_, err := d.Publish(b.Context(), topic, m)
			require.NoError(b, err)
		}
	})
	b.Run("PublishParallel", func(b *testing.B) {
		d := open(b)
		topic := newTopic(b, d)
		b.ReportAllocs()
		b.SetParallelism(32)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := d.Publish(b.Context(), topic, m); err != nil {
					b.Error(err)
					return
				}
			}
		})
	})
	b.Run("RoundTrip", func(b *testing.B) {
		d := open(b)
		topic := newTopic(b, d)
		ctx, cancel := context.WithCancel(b.Context())
		ready, done, got := make(chan struct{}), make(chan error, 1), make(chan string, 100)
		go func() {
			done <- d.Receive(ctx, bus.Subscription{Topic: topic, Name: newName(), Ephemeral: true}, func() { close(ready) },
				func(_ context.Context, m bus.Message) error {
					got <- m.ID
					return nil
				})
		}()
		select {
		case <-ready:
		case err := <-done:
			b.Fatal(err)
		}
		for b.Loop() {
			id, err := d.Publish(b.Context(), topic, m)
			require.NoError(b, err)
			for id != <-got {
			}
		}
		cancel()
		require.NoError(b, <-done)
	})
}
