// Package bus is the contract that a message bus driver keeps.
package bus

import (
	"context"
	"errors"
)

// ErrNoTopic says that the topic does not exist.
var ErrNoTopic = errors.New("bus: no such topic")

// ErrTooLarge says that a message is over the bus's limit; it never will go out.
var ErrTooLarge = errors.New("bus: message too large")

// Message is what is published and received.
type Message struct {
	Data       []byte
	Attributes map[string]string // values valid UTF-8, at most 1,024 bytes each
	ID         string            // set by the bus on receipt
}

// Subscription names who receives a topic's messages. Each subscription gets
// every message published after it was made; receivers of one subscription
// share them.
type Subscription struct {
	Topic string // projects/P/topics/T
	Name  string // unique within the project: [A-Za-z][A-Za-z0-9._~%+-]{2,254}
	// Ephemeral subscriptions go when Receive returns, and by themselves some
	// time after their receiver crashed.
	Ephemeral bool
}

// Bus is implemented by every driver. All methods may be called from many
// goroutines.
type Bus interface {
	// Publish returns once the bus has the message durably (as durable as the
	// bus is), with the bus's id of it. ErrNoTopic and ErrTooLarge as they say;
	// any other error means that the outcome is unknown: publish again.
	// Delivery is at least once and unordered.
	Publish(ctx context.Context, topic string, m Message) (id string, err error)

	// Receive calls handle for each message until ctx ends, then waits for the
	// handlers under way and returns nil. It creates the subscription if it
	// does not exist. A message whose handler returns an error comes again.
	// ready, if not nil, is called once messages published from then on will arrive.
	Receive(ctx context.Context, s Subscription, ready func(), handle func(context.Context, Message) error) error

	// MaxMessageBytes is the largest Data that Publish takes.
	MaxMessageBytes() int

	// Ping answers whether the bus does and the topic exists: ErrNoTopic if it
	// does not. A topic that may be published to but not looked at counts as there.
	Ping(ctx context.Context, topic string) error

	// Close flushes and releases everything.
	Close() error
}
