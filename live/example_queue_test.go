package live_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"sync"

	"github.com/headgate/headgate/live"
)

// broker stands for a queue that you have: it calls every subscriber with each published
// message.
type broker struct {
	mu          sync.Mutex
	subscribers map[int]func([]byte)
	n           int
}

func (b *broker) subscribe(f func([]byte)) (cancel func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.subscribers == nil {
		b.subscribers = map[int]func([]byte){}
	}
	b.n++
	n := b.n
	b.subscribers[n] = f
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.subscribers, n)
	}
}

func (b *broker) publish(data []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range b.subscribers {
		f(data)
	}
}

// brokerQueue makes a [live.Queue] of the broker.
type brokerQueue struct{ broker *broker }

func (q brokerQueue) Publish(_ context.Context, data []byte) error {
	q.broker.publish(data)
	return nil
}

func (q brokerQueue) Receive(ctx context.Context, ready func(), handle func(data []byte)) error {
	cancel := q.broker.subscribe(handle)
	defer cancel()
	ready() // messages that are published from here on arrive
	<-ctx.Done()
	return nil
}

// A queue of your own has two methods. examples/nats has one for NATS.
func ExampleQueue() {
	queue := brokerQueue{&broker{}}
	hub := live.New(live.Options{Queue: queue})
	hub.Handle("items", func(ctx context.Context, key live.Key, secret string) ([][]byte, error) {
		return [][]byte{[]byte("item " + key.ID + " changed")}, nil // rows may be any bytes
	})
	hub.Start()
	defer hub.Close(context.Background())

	server := httptest.NewServer(hub.WebSocket())
	defer server.Close()
	client := connect(hub, server, `{"action":"subscribe","body":{"id":"100","entity":"items"}}`)
	defer client.close()

	_ = hub.Notify(context.Background(), live.KeyOf("items", "100"))
	fmt.Println(client.next())
	// Output: item 100 changed
}
