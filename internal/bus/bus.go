// Package bus is the contract that every message bus driver keeps.
//
// Delivery is at least once and unordered, so receivers must recognise a repeated message.
package bus

import (
	"context"
	"errors"
)

// ErrNoTopic means that the topic does not exist.
var ErrNoTopic = errors.New("bus: no such topic")

// ErrTooLarge means that the message exceeds the bus's limit. A retry cannot succeed.
var ErrTooLarge = errors.New("bus: message too large")

// Message is published and received.
type Message struct {
	Data       []byte
	Attributes map[string]string // values valid UTF-8, at most 1,024 bytes each
	ID         string            // set by the bus on receipt
}

// Subscription receives the messages of a topic. Each subscription gets every message that
// is published after its creation. Several receivers of one subscription share its messages.
type Subscription struct {
	Topic string // projects/P/topics/T
	Name  string // unique within the project: [A-Za-z][A-Za-z0-9._~%+-]{2,254}
	// Ephemeral deletes the subscription when Receive returns. If the receiver crashes, the
	// subscription expires some time later.
	Ephemeral bool
}

// Bus is implemented by every driver. All methods may be called from many
// goroutines.
type Bus interface {
	// Publish returns when the bus has stored the message, as durably as the bus can, and
	// returns the bus's id of it. After an error other than ErrNoTopic and ErrTooLarge the
	// outcome is unknown, and the caller should publish again.
	Publish(ctx context.Context, topic string, m Message) (id string, err error)

	// Receive calls handle for each message until ctx ends. It then waits for the handlers
	// under way and returns nil. It creates the subscription if it does not exist. A message
	// whose handler returns an error is delivered again. ready, if not nil, is called once,
	// when the subscription gets every message that is published from then on.
	Receive(ctx context.Context, s Subscription, ready func(), handle func(context.Context, Message) error) error

	// MaxMessageBytes returns the largest length of Data that Publish takes.
	MaxMessageBytes() int

	// Ping returns nil if the bus answers and the topic exists, and ErrNoTopic if the topic
	// does not exist. A topic that the caller may publish to but not read counts as existing.
	Ping(ctx context.Context, topic string) error

	// Close flushes pending messages and releases all resources.
	Close() error
}
