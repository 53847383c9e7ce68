package live

import (
	"net"
	"sync"
	"syscall"
	"time"
)

// taken says how much of a message a connection has taken.
type taken int

const (
	none taken = iota
	part
	all
)

// outlet is the writing side of a WebSocket's connection. Two write to it: the hub its
// messages, and the WebSocket library the control frames. Each is written whole before the
// other is begun.
//
// The hub writes by itself because a change goes to thousands of clients: the library would
// make the head of the frame, a timer and a buffer for each of them, and can only wait for
// a client that does not read.
type outlet struct {
	net.Conn
	raw *rawWriter // nil: each write may wait

	mu    sync.Mutex
	rest  []byte // of a message that was begun
	ended bool   // a close frame was written, behind which nothing may come
}

// begin writes what the connection takes at once. Of a message of which it took a part, the
// rest must follow by finish.
func (o *outlet) begin(wire []byte) (taken, error) {
	if o.raw == nil || !o.mu.TryLock() {
		return none, nil
	}
	defer o.mu.Unlock()
	if o.ended {
		return none, net.ErrClosed
	}
	if len(o.rest) > 0 {
		return none, nil
	}
	n, err := o.raw.write(wire)
	switch {
	case err != nil:
		_ = o.Conn.Close()
		return none, err
	case n == 0:
		return none, nil
	case n < len(wire):
		o.rest = wire[n:]
		return part, nil
	}
	return all, nil
}

// finish writes the rest of a message that was begun, and then the bytes of another one, which
// may be nil. It waits until the connection has taken both, for writeTimeout at most.
func (o *outlet) finish(wire []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended {
		return net.ErrClosed
	}
	if err := o.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	err := o.writeRest()
	if err == nil && len(wire) > 0 {
		_, err = o.Conn.Write(wire)
	}
	if err != nil {
		_ = o.Conn.Close() // nothing can follow half a frame
		return err
	}
	return o.SetWriteDeadline(time.Time{})
}

// Write writes a control frame of the library, whose buffer holds each of them as a whole.
// The library ends the connection if that takes too long.
func (o *outlet) Write(frame []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.writeRest(); err != nil {
		return 0, err
	}
	if len(frame) > 0 && frame[0]&0xf == opClose {
		o.ended = true
	}
	return o.Conn.Write(frame)
}

// writeRest writes the rest of a message that was begun; o.mu is held.
func (o *outlet) writeRest() error {
	if len(o.rest) == 0 {
		return nil
	}
	n, err := o.Conn.Write(o.rest)
	if o.rest = o.rest[n:]; len(o.rest) == 0 {
		o.rest = nil
	}
	return err
}

// rawWriter writes to a socket without waiting.
type rawWriter struct {
	conn  syscall.RawConn
	p     []byte
	n     int
	err   error
	again func(fd uintptr) bool // write's function, made once
}

// rawWriterOf returns nil for connections and systems where each write may wait.
func rawWriterOf(conn net.Conn) *rawWriter {
	c, ok := conn.(syscall.Conn)
	if !ok || !canTry {
		return nil
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return nil
	}
	w := &rawWriter{conn: raw}
	w.again = func(fd uintptr) bool {
		w.n, w.err = tryWrite(fd, w.p)
		return true // whatever it took: nobody waits
	}
	return w
}

// write returns how many bytes the socket took.
func (w *rawWriter) write(p []byte) (int, error) {
	w.p = p
	err := w.conn.Write(w.again)
	w.p = nil
	if err != nil {
		return 0, err
	}
	return w.n, w.err
}
