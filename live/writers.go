package live

import (
	"runtime"
	"sync"
)

// writeBatch is how many clients a writer takes at once.
const writeBatch = 64

// writeQueue holds the clients for which something waits that nobody writes yet. A few
// writers serve all clients, and exist only while there are such clients. They never wait
// for a client: one whose connection is full gets a goroutine of its own, until it is idle.
type writeQueue struct {
	mu         sync.Mutex
	clients    []*client
	head       int // of those in clients that wait
	writers    int
	maxWriters int
}

func maxWriters() int { return runtime.GOMAXPROCS(0) }

// enqueueWrite has a writer write what waits for the client. c.mu is held.
func (h *Hub) enqueueWrite(c *client) {
	q := &h.writes
	q.mu.Lock()
	defer q.mu.Unlock()
	q.clients = append(q.clients, c)
	if q.writers < q.maxWriters && h.spawn(h.writeToClients) {
		q.writers++
	}
}

// writeToClients writes until no client waits.
func (h *Hub) writeToClients() {
	var batch [writeBatch]*client
	for {
		n := h.writes.take(batch[:])
		if n == 0 {
			return
		}
		for _, c := range batch[:n] {
			c.writePending(c.next(), true)
		}
	}
}

// take moves clients into batch and returns how many. If there are none, it counts one
// writer less.
func (q *writeQueue) take(batch []*client) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := copy(batch, q.clients[q.head:])
	clear(q.clients[q.head : q.head+n])
	if q.head += n; q.head == len(q.clients) {
		q.clients, q.head = q.clients[:0], 0
	}
	if n == 0 {
		q.writers--
	}
	return n
}
