package live

import (
	"context"
	"io"
	"net"
	"net/http"
	"time"
)

// Exported names for tests.
const (
	Patience                = patience
	DefaultMaxSubscriptions = defaultMaxSubscriptions
	DefaultMaxFrameBytes    = defaultMaxFrameBytes
	MaxMessage              = maxMessage
	WriteBatch              = writeBatch
	CanTry                  = canTry
)

// WithDefaults returns the options with every default filled in.
func (o Options) WithDefaults() Options { return o.withDefaults() }

// recorder is a transport that keeps what was written.
type recorder struct{ frames chan []byte }

func (r *recorder) Write(m message) error {
	select {
	case r.frames <- m.payload():
	default:
	}
	return nil
}
func (r *recorder) Ping() error       { return nil }
func (r *recorder) Close(int, string) {}

// Try handles a frame of a new client, and returns the answers that were written so far.
func (h *Hub) Try(frame []byte) (answers [][]byte) {
	r := &recorder{make(chan []byte, 10)}
	c := &client{transport: r, protocol: Versioned}
	if !h.join(c) {
		return nil
	}
	c.handleFrame(context.Background(), frame)
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

// Beat makes the next beat of every client happen now.
func (h *Hub) Beat() {
	for _, c := range h.all() {
		c.beat()
	}
}

// CloseClients closes all clients.
func (h *Hub) CloseClients(reason string) { h.closeClients(reason) }

// Used returns the memory that is taken.
func (h *Hub) Used() int64 { return h.memory.Used() }

// TryMemory takes memory, as a client would.
func (h *Hub) TryMemory(n int64) bool { return h.memory.Try(n) }

// Transport is a connection as a test makes it.
type Transport interface {
	Write(frame []byte, binary bool) error
	Ping() error
	Close(code int, reason string)
}

// untyped is such a connection as the hub needs it.
type untyped struct{ Transport }

func (u untyped) Write(m message) error { return u.Transport.Write(m.payload(), m.isBinary()) }

// FakeClient is a client without a network.
type FakeClient struct{ c *client }

// Connect joins a client whose connection is the transport.
func (h *Hub) Connect(t Transport, protocol Protocol) FakeClient {
	return h.ConnectUntil(t, protocol, time.Time{})
}

// ConnectUntil is Connect with access that ends.
func (h *Hub) ConnectUntil(t Transport, protocol Protocol, until time.Time) FakeClient {
	c := &client{transport: untyped{t}, kind: "test", protocol: protocol, until: until}
	h.join(c)
	return FakeClient{c}
}

// ConnectPrompt joins a client whose connection takes each message at once: take gets it.
func (h *Hub) ConnectPrompt(t Transport, protocol Protocol, take func(frame string)) FakeClient {
	c := &client{transport: taking{untyped{t}, take}, kind: "test", protocol: protocol}
	h.join(c)
	return FakeClient{c}
}

// taking is a connection that is never full.
type taking struct {
	untyped
	take func(string)
}

func (t taking) Begin(m message) (taken, error) {
	t.take(string(m.payload()))
	return all, nil
}
func (t taking) Finish() error { return nil }

// Outlet is the writing side of a connection.
type Outlet struct{ *outlet }

// NewOutlet returns that of conn.
func NewOutlet(conn net.Conn) Outlet { return Outlet{&outlet{Conn: conn, raw: rawWriterOf(conn)}} }

// Send writes a message as a client's writers do. It returns how much of it was taken at once.
func (o Outlet) Send(text string, binary bool) (took string, err error) {
	m := newMessage([]byte(text), binary)
	switch t, err := o.begin(m.wire); {
	case err != nil:
		return "", err
	case t == part:
		return "part", o.finish(nil)
	case t == none:
		return "none", o.finish(m.wire)
	}
	return "all", nil
}

// Handle acts as if the client had sent the frame.
func (c FakeClient) Handle(frame string) { c.c.handleFrame(context.Background(), []byte(frame)) }

// Pace waits as the reader of the client's frames does before it reads the next one.
func (c FakeClient) Pace() { c.c.pace() }

// Close acts as if the client had hung up.
func (c FakeClient) Close() { c.c.close(closeGoingAway, "") }

// Waiting returns how many frames wait to be written.
func (c FakeClient) Waiting() int { return c.c.info().Waiting }

// PingStream writes what pings the client of an event stream.
func PingStream(w http.ResponseWriter) error {
	return (&stream{w: w, c: http.NewResponseController(w)}).Ping()
}

// Message returns a message for the queue with the first n keys.
func Message(keys []Key) (data []byte, n int, err error) { return queueMessage("", keys) }

// TracedMessage is Message for a change with a traceparent.
func TracedMessage(traceparent string, keys []Key) (data []byte, n int, err error) {
	return queueMessage(traceparent, keys)
}

// CheckFrames returns the reader of a connection on which r arrives.
func CheckFrames(r io.Reader) io.Reader { return &checkedConn{from: r} }

// ErrCloseReason is the error of such a reader.
var ErrCloseReason = errCloseReason
