package localbus_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/bus"
	"github.com/headgate/headgate/internal/bus/bustest"
	"github.com/headgate/headgate/internal/bus/localbus"
)

const topic = "projects/p/topics/t"

func open(t testing.TB) bus.Bus {
	b := localbus.New()
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b
}

var topics atomic.Int64

func newTopic(_ testing.TB, b bus.Bus) string {
	name := fmt.Sprintf("projects/p/topics/t%d", topics.Add(1))
	b.(*localbus.Bus).Declare(name)
	return name
}

func TestConformance(t *testing.T) {
	t.Parallel()
	bustest.Run(t, open, newTopic)
}

func BenchmarkBus(b *testing.B) { bustest.Benchmark(b, open, newTopic) }

func TestBackoff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := localbus.New(topic)
		ctx, cancel := context.WithCancel(t.Context())
		start := time.Now()
		var at []time.Duration
		go func() {
			_ = b.Receive(ctx, bus.Subscription{Topic: topic, Name: "sub"}, nil, func(context.Context, bus.Message) error {
				at = append(at, time.Since(start))
				if len(at) < 10 {
					return errors.New("again")
				}
				cancel()
				return nil
			})
		}()
		synctest.Wait()
		_, err := b.Publish(t.Context(), topic, bus.Message{})
		require.NoError(t, err)
		<-ctx.Done()
		synctest.Wait()
		ms := time.Millisecond
		require.Equal(t, []time.Duration{
			0, 100 * ms, 300 * ms, 700 * ms, 1500 * ms, 3100 * ms, 6300 * ms, 12700 * ms, 22700 * ms, 32700 * ms,
		}, at)
	})
}

// subscribe creates a subscription, and leaves it without a receiver.
func subscribe(t *testing.T, b *localbus.Bus, name string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	require.NoError(t, b.Receive(ctx, bus.Subscription{Topic: topic, Name: name}, cancel, nil))
}

func TestPublishWaitsForRoom(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ fit, size int }{
		"small messages": {10_000, 10},
		"large messages": {6, 9_900_000},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := localbus.New(topic)
				subscribe(t, b, "sub")
				m := bus.Message{Data: make([]byte, c.size)}
				for range c.fit {
					_, err := b.Publish(t.Context(), topic, m)
					require.NoError(t, err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				_, err := b.Publish(ctx, topic, m)
				require.ErrorIs(t, err, context.DeadlineExceeded)

				published := make(chan error, 1)
				go func() {
					_, err := b.Publish(t.Context(), topic, m)
					published <- err
				}()
				synctest.Wait()
				require.Empty(t, published)
				ctx, stop := context.WithCancel(t.Context())
				var n atomic.Int64
				require.NoError(t, b.Receive(ctx, bus.Subscription{Topic: topic, Name: "sub"}, nil, func(context.Context, bus.Message) error {
					if n.Add(1) == int64(c.fit)+1 {
						stop()
					}
					return nil
				}))
				require.NoError(t, <-published)
			})
		})
	}
}

func TestClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := localbus.New(topic)
		errs := make(chan error, 2)
		held := make(chan struct{})
		go func() {
			errs <- b.Receive(t.Context(), bus.Subscription{Topic: topic, Name: "sub"}, nil, func(context.Context, bus.Message) error {
				<-held
				return nil
			})
		}()
		synctest.Wait()
		for range 10_000 {
			_, err := b.Publish(t.Context(), topic, bus.Message{})
			require.NoError(t, err)
		}
		go func() {
			_, err := b.Publish(t.Context(), topic, bus.Message{})
			errs <- err
		}()
		synctest.Wait()
		require.NoError(t, b.Close())
		require.NoError(t, b.Close())
		require.Error(t, <-errs, "the publisher returns")
		close(held)
		require.Error(t, <-errs, "the receiver returns")
		_, err := b.Publish(t.Context(), topic, bus.Message{})
		require.Error(t, err)
		require.Error(t, b.Ping(t.Context(), topic))
		require.Error(t, b.Receive(t.Context(), bus.Subscription{Topic: topic, Name: "sub"}, nil, nil))
	})
}

func TestARemovedSubscriptionFreesWaitingPublishers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := localbus.New(topic)
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			_ = b.Receive(ctx, bus.Subscription{Topic: topic, Name: "sub", Ephemeral: true}, nil, func(ctx context.Context, _ bus.Message) error {
				<-ctx.Done()
				return ctx.Err()
			})
		}()
		synctest.Wait()
		for range 10_000 {
			_, err := b.Publish(t.Context(), topic, bus.Message{})
			require.NoError(t, err)
		}
		published := make(chan error, 1)
		go func() {
			_, err := b.Publish(t.Context(), topic, bus.Message{})
			published <- err
		}()
		synctest.Wait()
		require.Empty(t, published)
		cancel()
		require.NoError(t, <-published)
	})
}

func TestSubscriptionMistakes(t *testing.T) {
	t.Parallel()
	b := localbus.New(topic, topic+"2")
	subscribe(t, b, "sub")
	require.Error(t, b.Receive(t.Context(), bus.Subscription{Topic: topic, Name: "no"}, nil, nil))
	require.Error(t, b.Receive(t.Context(), bus.Subscription{Topic: topic + "2", Name: "sub"}, nil, nil))
}
