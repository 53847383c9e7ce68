// Package bustest is the conformance suite of package bus. A driver lands only if it passes.
// The suite requires no more than the contract promises: messages may arrive twice and in any
// order.
package bustest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/bus"
)

// patience bounds every wait. It is long, so that a slow machine does not fail the suite.
const patience = 30 * time.Second

// Run runs the suite. open returns a bus, and closes it when the test ends. newTopic creates
// a topic that no other test uses.
func Run(t *testing.T, open func(testing.TB) bus.Bus, newTopic func(testing.TB, bus.Bus) string) {
	t.Helper()
	for _, c := range []struct {
		name string
		run  func(*suite)
	}{
		{"Delivers", (*suite).delivers},
		{"EverySubscriptionGetsAll", (*suite).everySubscriptionGetsAll},
		{"ReceiversShare", (*suite).receiversShare},
		{"PublishWithoutSubscription", (*suite).publishWithoutSubscription},
		{"HandlerErrorRedelivers", (*suite).handlerErrorRedelivers},
		{"MessagesAreCopies", (*suite).messagesAreCopies},
		{"NamedKeepsMessages", (*suite).namedKeepsMessages},
		{"EphemeralEndsWithItsReceiver", (*suite).ephemeralEndsWithItsReceiver},
		{"ReceiveWaitsForHandlers", (*suite).receiveWaitsForHandlers},
		{"ReceiveAfterItsContext", (*suite).receiveAfterItsContext},
		{"PublishAfterItsContext", (*suite).publishAfterItsContext},
		{"NoTopic", (*suite).noTopic},
		{"Largest", (*suite).largest},
		{"Concurrent", (*suite).concurrent},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := open(t)
			c.run(&suite{T: t, bus: b, topic: newTopic(t, b)})
		})
	}
}

type suite struct {
	*testing.T
	bus   bus.Bus
	topic string
}

func newName() string { return fmt.Sprintf("bustest-%016x", rand.Uint64()) }

func (s *suite) sub() bus.Subscription { return bus.Subscription{Topic: s.topic, Name: newName()} }

func (s *suite) ephemeral() bus.Subscription {
	return bus.Subscription{Topic: s.topic, Name: newName(), Ephemeral: true}
}

func (s *suite) publish(data string) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	id, err := s.bus.Publish(ctx, s.topic, bus.Message{Data: []byte(data)})
	require.NoError(s, err)
	require.NotEmpty(s, id)
}

// receive starts a receiver, and returns when it is ready. stop ends the receiver, and
// requires that it returned no error.
func (s *suite) receive(sub bus.Subscription, handle func(context.Context, bus.Message) error) (stop func()) {
	s.Helper()
	ctx, cancel := context.WithCancel(s.Context())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- s.bus.Receive(ctx, sub, func() { close(ready) }, handle) }()
	select {
	case <-ready:
	case err := <-done:
		require.FailNow(s, "Receive returned before it was ready", "%v", err)
	case <-time.After(patience):
		require.FailNow(s, "Receive did not become ready in time")
	}
	stop = sync.OnceFunc(func() {
		s.Helper()
		cancel()
		require.NoError(s, wait(s, done))
	})
	s.Cleanup(func() {
		if s.Failed() {
			cancel()
		} else {
			stop()
		}
	})
	return stop
}

func into(c chan<- bus.Message) func(context.Context, bus.Message) error {
	return func(_ context.Context, m bus.Message) error {
		c <- m
		return nil
	}
}

func wait[T any](s *suite, c <-chan T) T {
	s.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		require.FailNow(s, "no message or answer arrived in time")
		panic("unreachable")
	}
}

func (s *suite) delivers() {
	got := make(chan bus.Message, 100)
	s.receive(s.ephemeral(), into(got))
	for _, m := range []bus.Message{
		{Data: []byte(`{"a":1}`), Attributes: map[string]string{"k": "v", "empty": "", "long": strings.Repeat("é", 512)}},
		{Data: []byte{0, 0xff, 0xfe}},
		{Attributes: map[string]string{"only": "attributes"}},
	} {
		id, err := s.bus.Publish(s.Context(), s.topic, m)
		require.NoError(s, err)
		var r bus.Message
		for r.ID != id { // an earlier message may arrive twice
			r = wait(s, got)
		}
		require.Equal(s, string(m.Data), string(r.Data))
		require.Len(s, r.Attributes, len(m.Attributes))
		for k, v := range m.Attributes {
			require.Equal(s, v, r.Attributes[k])
		}
	}
	require.NoError(s, s.bus.Ping(s.Context(), s.topic))
}

func (s *suite) everySubscriptionGetsAll() {
	a, b := make(chan bus.Message, 100), make(chan bus.Message, 100)
	s.receive(s.ephemeral(), into(a))
	s.receive(s.sub(), into(b))
	s.publish("x")
	require.Equal(s, "x", string(wait(s, a).Data))
	require.Equal(s, "x", string(wait(s, b).Data))
}

func (s *suite) receiversShare() {
	const n = 40
	var deliveries atomic.Int64
	got := make(chan bus.Message, 10*n)
	sub := s.sub()
	for range 2 {
		s.receive(sub, func(_ context.Context, m bus.Message) error {
			deliveries.Add(1)
			got <- m
			return nil
		})
	}
	for i := range n {
		s.publish(strconv.Itoa(i))
	}
	seen := map[string]bool{}
	for len(seen) < n {
		seen[string(wait(s, got).Data)] = true
	}
	require.Less(s, deliveries.Load(), int64(2*n), "both receivers got all messages")
}

func (s *suite) publishWithoutSubscription() {
	s.publish("no receiver")
}

func (s *suite) handlerErrorRedelivers() {
	var tries atomic.Int64
	got := make(chan bus.Message, 100)
	s.receive(s.ephemeral(), func(_ context.Context, m bus.Message) error {
		if tries.Add(1) < 3 {
			return errors.New("not yet")
		}
		got <- m
		return nil
	})
	s.publish("x")
	require.Equal(s, "x", string(wait(s, got).Data))
}

func (s *suite) messagesAreCopies() {
	var tries atomic.Int64
	got := make(chan bus.Message, 100)
	spoil := func(m bus.Message) {
		clear(m.Data)
		m.Attributes["k"] = "spoilt"
	}
	for range 2 {
		s.receive(s.ephemeral(), func(_ context.Context, m bus.Message) error {
			got <- bus.Message{Data: bytes.Clone(m.Data), Attributes: map[string]string{"k": m.Attributes["k"]}}
			spoil(m)
			if tries.Add(1) == 1 {
				return errors.New("again")
			}
			return nil
		})
	}
	m := bus.Message{Data: []byte("abc"), Attributes: map[string]string{"k": "v"}}
	_, err := s.bus.Publish(s.Context(), s.topic, m)
	require.NoError(s, err)
	spoil(m)
	for range 3 {
		r := wait(s, got)
		require.Equal(s, "abc", string(r.Data))
		require.Equal(s, "v", r.Attributes["k"])
	}
}

func (s *suite) namedKeepsMessages() {
	sub := s.sub()
	got := make(chan bus.Message, 100)
	s.receive(sub, into(got))()
	s.publish("meanwhile")
	s.receive(sub, into(got))
	require.Equal(s, "meanwhile", string(wait(s, got).Data))
}

func (s *suite) ephemeralEndsWithItsReceiver() {
	sub := s.ephemeral()
	got := make(chan bus.Message, 100)
	s.receive(sub, into(got))()
	s.publish("missed")
	s.receive(sub, into(got))
	s.publish("seen")
	require.Equal(s, "seen", string(wait(s, got).Data))
}

func (s *suite) receiveWaitsForHandlers() {
	ctx, cancel := context.WithCancel(s.Context())
	started, release, done := make(chan struct{}, 100), make(chan struct{}), make(chan error, 1)
	var finished atomic.Bool
	ready := make(chan struct{})
	go func() {
		done <- s.bus.Receive(ctx, s.ephemeral(), func() { close(ready) }, func(context.Context, bus.Message) error {
			started <- struct{}{}
			<-release
			finished.Store(true)
			return nil
		})
	}()
	wait(s, ready)
	s.publish("x")
	wait(s, started)
	cancel()
	select {
	case err := <-done:
		require.FailNow(s, "Receive left a handler behind", "it returned %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	close(release)
	require.NoError(s, wait(s, done))
	require.True(s, finished.Load())
}

func (s *suite) receiveAfterItsContext() {
	ctx, cancel := context.WithCancel(s.Context())
	cancel()
	done := make(chan error, 1)
	go func() {
		done <- s.bus.Receive(ctx, s.ephemeral(), nil, func(context.Context, bus.Message) error { return nil })
	}()
	require.NoError(s, wait(s, done))
}

func (s *suite) publishAfterItsContext() {
	ctx, cancel := context.WithCancel(s.Context())
	cancel()
	_, err := s.bus.Publish(ctx, s.topic, bus.Message{Data: []byte("x")})
	require.ErrorIs(s, err, context.Canceled)
}

func (s *suite) noTopic() {
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	missing := s.topic + "-missing"
	_, err := s.bus.Publish(ctx, missing, bus.Message{Data: []byte("x")})
	require.ErrorIs(s, err, bus.ErrNoTopic)
	require.ErrorIs(s, s.bus.Ping(ctx, missing), bus.ErrNoTopic)
	err = s.bus.Receive(ctx, bus.Subscription{Topic: missing, Name: newName()}, nil, func(context.Context, bus.Message) error { return nil })
	require.ErrorIs(s, err, bus.ErrNoTopic)
	s.publish("the bus still works")
}

func (s *suite) largest() {
	data := make([]byte, s.bus.MaxMessageBytes()+1)
	for i := range data {
		data[i] = byte(i * i >> 7)
	}
	_, err := s.bus.Publish(s.Context(), s.topic, bus.Message{Data: data})
	require.ErrorIs(s, err, bus.ErrTooLarge)

	data = data[1:]
	attributes := map[string]string{}
	for i := range 20 {
		attributes["attribute"+strconv.Itoa(i)] = strings.Repeat("v", 1024)
	}
	got := make(chan bus.Message, 100)
	s.receive(s.ephemeral(), into(got))
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	_, err = s.bus.Publish(ctx, s.topic, bus.Message{Data: data, Attributes: attributes})
	require.NoError(s, err)
	r := wait(s, got)
	require.True(s, bytes.Equal(data, r.Data))
	require.Equal(s, attributes, r.Attributes)
}

func (s *suite) concurrent() {
	const publishers, each = 8, 25
	got := make(chan bus.Message, 10*publishers*each)
	s.receive(s.ephemeral(), into(got))
	errs := make(chan error, publishers)
	for p := range publishers {
		go func() {
			for i := range each {
				if _, err := s.bus.Publish(s.Context(), s.topic, bus.Message{Data: fmt.Appendf(nil, "%d/%d", p, i)}); err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for range publishers {
		require.NoError(s, wait(s, errs))
	}
	seen := map[string]bool{}
	for len(seen) < publishers*each {
		seen[string(wait(s, got).Data)] = true
	}
}
