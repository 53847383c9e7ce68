// Package pubsubqueue carries live changes between the instances of a server over a
// topic of Google Cloud Pub/Sub. With PUBSUB_EMULATOR_HOST set, it talks to an emulator.
//
// Each queue makes a subscription of its own, so its account needs the role
// roles/pubsub.editor. It deletes the subscription when it is done. One that a crash
// leaves behind expires after a day.
package pubsubqueue

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"google.golang.org/api/option"

	"github.com/headgate/headgate/internal/bus/busqueue"
	"github.com/headgate/headgate/internal/bus/pubsubbus"
)

// Options say where the topic is.
type Options struct {
	// Project is the project in which the subscription is made.
	Project string
	// Topic is "projects/P/topics/T". All instances of a server use the same one, and no
	// other server does.
	Topic string
	// CreateTopic creates the topic if it is missing: for emulators and experiments.
	CreateTopic bool
	// ClientOptions are passed to the Pub/Sub client.
	ClientOptions []option.ClientOption
}

// Queue is a [live.Queue] for one hub.
//
// [live.Queue]: https://pkg.go.dev/github.com/headgate/headgate/live#Queue
type Queue struct {
	bus   *pubsubbus.Bus
	queue *busqueue.Queue
}

// Open returns the queue. It does not wait for a connection, except where it has to
// create the topic.
func Open(ctx context.Context, o Options) (*Queue, error) {
	b, err := pubsubbus.Open(ctx, pubsubbus.Options{Project: o.Project, CreateTopics: o.CreateTopic, ClientOptions: o.ClientOptions})
	if err != nil {
		return nil, fmt.Errorf("pubsubqueue: %w", err)
	}
	if err := b.Ensure(ctx, o.Topic); err != nil {
		return nil, errors.Join(fmt.Errorf("pubsubqueue: %w", err), b.Close())
	}
	return &Queue{b, busqueue.New(b, o.Topic, "headgate-live-"+rand.Text())}, nil
}

// Publish sends data to every instance. It retries for ten seconds, or until ctx's
// deadline if it has one.
func (q *Queue) Publish(ctx context.Context, data []byte) error { return q.queue.Publish(ctx, data) }

// Receive calls handle with what is published until ctx ends.
func (q *Queue) Receive(ctx context.Context, ready func(), handle func(data []byte)) error {
	return q.queue.Receive(ctx, ready, handle)
}

// Close closes the connection. Close the hub first.
func (q *Queue) Close() error { return q.bus.Close() }
