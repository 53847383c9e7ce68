// Package busqueue implements live.Queue, a queue of live changes, on a topic of a bus.
//
// Every instance must get every change, so each has a subscription of its own. The
// subscription is ephemeral: an instance that ended has no clients that missed changes.
package busqueue

import (
	"context"

	"github.com/headgate/headgate/internal/bus"
)

// Queue is a topic as a live.Queue.
type Queue struct {
	bus   bus.Bus
	topic string
	name  string
}

// New returns the queue. name is the name of this instance's subscription. It must be unique:
// two instances with the same name would each get only some of the changes.
func New(b bus.Bus, topic, name string) *Queue { return &Queue{b, topic, name} }

// Publish implements live.Queue.
func (q *Queue) Publish(ctx context.Context, data []byte) error {
	_, err := q.bus.Publish(ctx, q.topic, bus.Message{Data: data, Attributes: map[string]string{"type": "headgate.live.v1"}})
	return err
}

// Receive implements live.Queue.
func (q *Queue) Receive(ctx context.Context, ready func(), handle func(data []byte)) error {
	sub := bus.Subscription{Topic: q.topic, Name: q.name, Ephemeral: true}
	return q.bus.Receive(ctx, sub, ready, func(_ context.Context, m bus.Message) error {
		handle(m.Data)
		return nil
	})
}
