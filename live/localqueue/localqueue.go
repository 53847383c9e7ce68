// Package localqueue is the queue of live changes within one process. It connects hubs
// of the same process, for example in tests. A server with one hub needs no queue.
//
// Publish waits while a hub takes its messages more slowly than they come. Messages that
// wait when the process ends are lost, and so are the clients that they were for.
package localqueue

import (
	"context"
	"strconv"
	"sync/atomic"

	"github.com/headgate/headgate/internal/bus/busqueue"
	"github.com/headgate/headgate/internal/bus/localbus"
)

// topic is the only topic of the bus.
const topic = "live"

// Queue is a [live.Queue]. Any number of hubs may share it.
//
// [live.Queue]: https://pkg.go.dev/github.com/headgate/headgate/live#Queue
type Queue struct {
	bus       *localbus.Bus
	publisher *busqueue.Queue
	receivers atomic.Int64
}

// New returns a queue.
func New() *Queue {
	b := localbus.New(topic)
	return &Queue{bus: b, publisher: busqueue.New(b, topic, "")}
}

// Publish sends data to every hub that receives.
func (q *Queue) Publish(ctx context.Context, data []byte) error {
	return q.publisher.Publish(ctx, data)
}

// Receive calls handle with what is published until ctx ends.
func (q *Queue) Receive(ctx context.Context, ready func(), handle func(data []byte)) error {
	name := "hub-" + strconv.FormatInt(q.receivers.Add(1), 10)
	return busqueue.New(q.bus, topic, name).Receive(ctx, ready, handle)
}

// Close ends the queue: Publish and Receive return errors from then on.
func (q *Queue) Close() error { return q.bus.Close() }
