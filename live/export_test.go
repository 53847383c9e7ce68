package live

import (
	"context"
	"net/http"
)

// Patience is patience, for tests.
const Patience = patience

// recorder is a transport that keeps what was written.
type recorder struct{ frames chan []byte }

func (r *recorder) Write(frame []byte) error {
	select {
	case r.frames <- frame:
	default:
	}
	return nil
}
func (r *recorder) Ping() error       { return nil }
func (r *recorder) Close(int, string) {}

// Try handles a frame of a client that is there for nothing else, and returns what
// it was answered by then.
func (h *Hub) Try(frame []byte) (answers [][]byte) {
	r := &recorder{make(chan []byte, 10)}
	c := &Client{transport: r, protocol: 2}
	if !h.join(c) {
		return nil
	}
	c.handle(context.Background(), frame)
	c.close(closeGoingAway, "")
	for {
		select {
		case f := <-r.frames:
			answers = append(answers, f)
		default:
			return answers
		}
	}
}

// Beat has every client's next ping happen now.
func (h *Hub) Beat() {
	h.mu.Lock()
	all := make([]*Client, 0, len(h.clients))
	for c := range h.clients {
		all = append(all, c)
	}
	h.mu.Unlock()
	for _, c := range all {
		c.beat()
	}
}

// Connected is a client without a network.
type Connected struct{ c *Client }

// Connect joins a client whose connection is the transport.
func (h *Hub) Connect(t Transport, protocol int) Connected {
	c := &Client{transport: t, kind: "test", protocol: protocol}
	h.join(c)
	return Connected{c}
}

// Handle is a frame from the client.
func (c Connected) Handle(frame string) { c.c.handle(context.Background(), []byte(frame)) }

// Pace waits as the reader of the client's frames does before the next one.
func (c Connected) Pace() { c.c.pace() }

// Close is the client's hanging up.
func (c Connected) Close() { c.c.close(closeGoingAway, "") }

// Waiting is how much waits to be written.
func (c Connected) Waiting() int { return c.c.info().Waiting }

// PingStream is what an event stream's client is asked.
func PingStream(w http.ResponseWriter) error {
	return (&stream{w: w, c: http.NewResponseController(w)}).Ping()
}
