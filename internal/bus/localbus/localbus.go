// Package localbus is the bus within one process. It keeps messages in memory only, so
// messages that no handler has taken when the process ends are lost.
//
// Memory is bounded: a subscription holds at most 10,000 messages, or 64 MB of them. While a
// subscription is full, Publish to its topic waits. It waits until its context ends if a
// subscription that is not ephemeral has no receiver.
package localbus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/headgate/headgate/internal/bus"
)

const (
	messageLimit = 9_900_000 // bytes: that of Pub/Sub, so that no service depends on more
	maxMessages  = 10_000
	maxBytes     = 64_000_000 // a multiple of maxMessages, so that weight has no remainder
	handlers     = 100        // concurrent handlers per receiver

	firstBackoff = 100 * time.Millisecond
	lastBackoff  = 10 * time.Second
)

var (
	errClosed = errors.New("localbus: closed")
	validName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9._~%+-]+$`) // its length is checked apart: {2,254} takes long to compile at each start
)

// Bus is a bus.Bus.
type Bus struct {
	ids atomic.Uint64

	mu     sync.RWMutex
	topics map[string]map[*subscription]struct{}
	subs   map[string]*subscription
	closed bool
}

var _ bus.Bus = (*Bus)(nil)

// New returns a bus with these topics.
func New(topics ...string) *Bus {
	b := &Bus{topics: map[string]map[*subscription]struct{}{}, subs: map[string]*subscription{}}
	for _, t := range topics {
		b.Declare(t)
	}
	return b
}

// Declare creates the topic unless it exists.
func (b *Bus) Declare(topic string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.topics[topic] == nil {
		b.topics[topic] = map[*subscription]struct{}{}
	}
}

// subscription holds the messages that wait, are being handled, or wait for a retry. Each of
// them holds a share of room until it is handled. Room allows at most maxMessages, which is
// the capacity of queue, so a send to queue never blocks.
type subscription struct {
	topic     string
	ephemeral bool
	receivers int // guarded by Bus.mu
	queue     chan *delivery
	room      *semaphore.Weighted
	gone      context.Context // ends when the subscription is removed
	end       context.CancelFunc
}

type delivery struct {
	m        bus.Message
	weight   int64
	failures int
}

// weight returns a message's share of room. It combines both bounds in one: a message counts
// for at least maxBytes/maxMessages, and for at most maxBytes, so that the largest fits.
func weight(m bus.Message) int64 {
	n := len(m.Data)
	for k, v := range m.Attributes {
		n += len(k) + len(v)
	}
	return int64(min(max(n, maxBytes/maxMessages), maxBytes))
}

// MaxMessageBytes implements bus.Bus.
func (b *Bus) MaxMessageBytes() int { return messageLimit }

// Publish implements bus.Bus.
func (b *Bus) Publish(ctx context.Context, topic string, m bus.Message) (string, error) {
	if len(m.Data) > messageLimit {
		return "", bus.ErrTooLarge
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	b.mu.RLock()
	subs, ok := b.topics[topic]
	closed := b.closed
	to := make([]*subscription, 0, len(subs))
	for s := range subs {
		to = append(to, s)
	}
	b.mu.RUnlock()
	switch {
	case closed:
		return "", errClosed
	case !ok:
		return "", fmt.Errorf("%w: %s", bus.ErrNoTopic, topic)
	}
	m = clone(m)
	m.ID = strconv.FormatUint(b.ids.Add(1), 10)
	w := weight(m)
	for _, s := range to {
		if err := s.acquire(ctx, w); err != nil {
			if s.gone.Err() != nil && !b.isClosed() {
				continue
			}
			return "", fmt.Errorf("localbus: a subscription of %s is full: %w", topic, err)
		}
		s.queue <- &delivery{m: m, weight: w}
	}
	return m.ID, nil
}

// acquire waits for room until ctx ends or the subscription is removed.
func (s *subscription) acquire(ctx context.Context, w int64) error {
	if s.room.TryAcquire(w) {
		return nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(s.gone, func() { cancel(errClosed) })()
	if s.room.Acquire(ctx, w) != nil {
		return context.Cause(ctx)
	}
	return nil
}

// clone copies a message, so that a publisher and the handlers may each change their own.
func clone(m bus.Message) bus.Message {
	m.Data, m.Attributes = bytes.Clone(m.Data), maps.Clone(m.Attributes)
	return m
}

func (b *Bus) isClosed() bool {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.closed
}

// subscribe returns the subscription, and creates it if there is none. The caller must leave.
func (b *Bus) subscribe(want bus.Subscription) (*subscription, error) {
	if n := len(want.Name); n < 3 || n > 255 || !validName.MatchString(want.Name) {
		return nil, fmt.Errorf("localbus: %q is not a valid name of a subscription", want.Name)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, errClosed
	}
	topic, ok := b.topics[want.Topic]
	if !ok {
		return nil, fmt.Errorf("%w: %s", bus.ErrNoTopic, want.Topic)
	}
	s := b.subs[want.Name]
	if s == nil {
		s = &subscription{
			topic: want.Topic, ephemeral: want.Ephemeral,
			queue: make(chan *delivery, maxMessages), room: semaphore.NewWeighted(maxBytes),
		}
		s.gone, s.end = context.WithCancel(context.Background())
		b.subs[want.Name] = s
		topic[s] = struct{}{}
	}
	if s.topic != want.Topic {
		return nil, fmt.Errorf("localbus: subscription %s belongs to another topic, %s", want.Name, s.topic)
	}
	s.receivers++
	return s, nil
}

// leave ends a receiver's use of the subscription. The last receiver of an ephemeral one
// removes it, which also frees publishers that wait for its room.
func (b *Bus) leave(name string, s *subscription) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s.receivers--
	if s.ephemeral && s.receivers == 0 {
		delete(b.subs, name)
		delete(b.topics[s.topic], s)
		s.end()
	}
}

// Receive implements bus.Bus.
func (b *Bus) Receive(ctx context.Context, want bus.Subscription, ready func(), handle func(context.Context, bus.Message) error) error {
	s, err := b.subscribe(want)
	if err != nil {
		return err
	}
	defer b.leave(want.Name, s)
	if ready != nil {
		ready()
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	slots := make(chan struct{}, handlers)
	for {
		select {
		case slots <- struct{}{}:
		case <-s.gone.Done():
			return errClosed
		case <-ctx.Done():
			return nil
		}
		select {
		case d := <-s.queue:
			if ctx.Err() != nil {
				s.queue <- d
				return nil
			}
			wg.Go(func() {
				s.handle(ctx, d, handle)
				<-slots
			})
		case <-s.gone.Done():
			return errClosed
		case <-ctx.Done():
			return nil
		}
	}
}

// handle calls the handler. If that fails, the message keeps its room, and is queued again
// after a delay that doubles with each failure, up to lastBackoff.
func (s *subscription) handle(ctx context.Context, d *delivery, handle func(context.Context, bus.Message) error) {
	if handle(ctx, clone(d.m)) == nil {
		s.room.Release(d.weight)
		return
	}
	wait := lastBackoff
	if d.failures < 7 {
		wait = min(wait, firstBackoff<<d.failures)
	}
	d.failures++
	time.AfterFunc(wait, func() { s.queue <- d })
}

// Ping implements bus.Bus.
func (b *Bus) Ping(_ context.Context, topic string) error {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.closed {
		return errClosed
	}
	if _, ok := b.topics[topic]; !ok {
		return fmt.Errorf("%w: %s", bus.ErrNoTopic, topic)
	}
	return nil
}

// Close implements bus.Bus. Receivers return an error, and messages are dropped.
func (b *Bus) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for _, s := range b.subs {
		s.end()
	}
	return nil
}
