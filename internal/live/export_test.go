package live

import "context"

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
