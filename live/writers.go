package live

import (
	"runtime"
	"sync"
)

// writeBatch is how many clients a writer takes at once, and how many are given a state at once.
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

// join counts the caller as a writer, unless there are enough.
func (q *writeQueue) join() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.writers == q.maxWriters {
		return false
	}
	q.writers++
	return true
}

// leaveWriters undoes join. If clients wait, another writer takes the caller's place.
func (h *Hub) leaveWriters() {
	q := &h.writes
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.clients) == 0 || !h.spawn(h.writeToClients) {
		q.writers--
	}
}

// writeToClients writes until no client waits. The caller is counted as a writer.
func (h *Hub) writeToClients() {
	for h.writeSome() {
	}
	h.leaveWriters()
}

// writeSome writes to some of the clients that wait. It returns false if none does.
func (h *Hub) writeSome() bool {
	var some [writeBatch]*client
	n := h.writes.take(some[:])
	for _, c := range some[:n] {
		c.writePending(c.next(), true)
	}
	return n > 0
}

// take moves clients from the queue into some, and returns how many.
func (q *writeQueue) take(some []*client) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := copy(some, q.clients[q.head:])
	clear(q.clients[q.head : q.head+n])
	if q.head += n; q.head == len(q.clients) {
		q.clients, q.head = q.clients[:0], 0
	}
	return n
}
