package live

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"
	"golang.org/x/time/rate"
)

// writeTimeout bounds one write. A client that blocks one for longer is closed.
const writeTimeout = 10 * time.Second

// Subprotocol is the WebSocket subprotocol by which a client asks for [Versioned].
const Subprotocol = "headgate.v2"

// socket is a WebSocket as a transport.
type socket struct {
	conn   *websocket.Conn
	out    *outlet // under conn
	once   sync.Once
	closed chan struct{} // the closing handshake is over
}

func (s *socket) Write(m message) error { return s.out.finish(m.wire) }

// Begin and Finish implement prompt.
func (s *socket) Begin(m message) (taken, error) { return s.out.begin(m.wire) }

func (s *socket) Finish() error { return s.out.finish(nil) }

func (s *socket) Ping() error {
	ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
	defer cancel()
	return s.conn.Ping(ctx)
}

func (s *socket) Close(code int, reason string) {
	s.once.Do(func() {
		go func() { // the closing handshake waits for the peer, for up to 5 s
			_ = s.conn.Close(websocket.StatusCode(code), closeReason(reason))
			_ = s.conn.CloseNow()
			close(s.closed)
		}()
	})
}

// closeReason returns the reason, cut to what a close frame can carry.
func closeReason(reason string) string {
	const most = 123 // RFC 6455, 5.5
	if len(reason) <= most {
		return reason
	}
	return strings.ToValidUTF8(reason[:most], "")
}

// ServeWebSocket does what the handler of [Hub.WebSocket] does once it knows what the
// client may do. It is for servers that check the Origin header and the client
// themselves, and that answer errors in their own form. If it returns an error, the
// client was refused and nothing has been written; the error is a [*RefusedError]. It
// returns as soon as the client is connected.
func (h *Hub) ServeWebSocket(w http.ResponseWriter, r *http.Request, access Access) error {
	protocol, err := protocolOf(r)
	if err != nil {
		return err
	}
	if err := checkAccess(access); err != nil {
		return err
	}
	if !headerHas(r.Header, "Connection", "upgrade") || !headerHas(r.Header, "Upgrade", "websocket") {
		w.Header().Set("Upgrade", "websocket")
		return refuse(http.StatusBadRequest, "this is a WebSocket: connect with one", 0)
	}
	if err := h.admitClient(0); err != nil {
		return err
	}
	accepting := checking(w)
	conn, err := websocket.Accept(accepting, r, &websocket.AcceptOptions{
		Subprotocols: []string{Subprotocol}, InsecureSkipVerify: true, // the Origin was checked before
		CompressionMode: websocket.CompressionDisabled,
	})
	if err != nil {
		h.memory.Give(clientWeight)
		return nil // Accept has answered
	}
	conn.SetReadLimit(int64(h.o.MaxFrameBytes))
	transport := &socket{conn: conn, out: &accepting.(*hijacker).conn.outlet, closed: make(chan struct{})}
	c := &client{
		transport: transport, kind: "websocket", remote: r.RemoteAddr, protocol: protocol,
		allowed: access.Allowed, until: access.Until, secret: access.Secret, weight: clientWeight,
	}
	if !h.join(c) {
		h.memory.Give(clientWeight)
		_ = conn.Close(closeRestart, "the server restarts")
		_ = conn.CloseNow()
		return nil
	}
	c.answer(reply{Type: "welcome", Protocol: Versioned, Connection: c.id})
	// The client is served by a new goroutine. The handler returns, and frees the request
	// and the stack that served it: most of what an idle connection would weigh.
	if !h.spawn(func() {
		c.read(conn)
		c.close(closeGoingAway, "")
		<-transport.closed
	}) {
		c.close(closeRestart, "the server restarts")
	}
	return nil
}

// protocolOf returns the protocol that the client asks for.
func protocolOf(r *http.Request) (Protocol, error) {
	switch r.URL.Query().Get("protocol") {
	case "", "1":
		if headerHas(r.Header, "Sec-WebSocket-Protocol", Subprotocol) {
			return Versioned, nil
		}
		return Plain, nil
	case "2":
		return Versioned, nil
	}
	return 0, refuse(http.StatusBadRequest, "protocol must be 1 or 2", 0)
}

// headerHas reports whether the header lists the token.
func headerHas(h http.Header, name, token string) bool {
	for _, v := range h.Values(name) {
		for t := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.TrimSpace(t), token) {
				return true
			}
		}
	}
	return false
}

// read handles frames until the connection ends.
func (c *client) read(conn *websocket.Conn) {
	ctx := context.Background() // closing the connection ends it
	// A client that reconnects subscribes at once to everything that it had.
	limit := rate.NewLimiter(rate.Limit(c.hub.o.FramesPerSecond), 2*c.hub.o.FramesPerSecond+c.hub.o.MaxSubscriptions)
	for {
		typ, frame, weight, err := c.readFrame(ctx, conn)
		if err != nil {
			c.closeAfter(err)
			return
		}
		if typ == websocket.MessageText && !utf8.Valid(frame) {
			c.hub.memory.Give(weight)
			c.close(closeInvalid, "the text is not UTF-8")
			return
		}
		if !limit.Allow() {
			c.hub.memory.Give(weight)
			c.close(closePolicy, "too many frames")
			return
		}
		// Decoding needs a deep stack, which this goroutine would keep while it waits for the
		// next frame, which is nearly always.
		handled := make(chan struct{})
		go func() {
			defer close(handled)
			c.handleFrame(ctx, frame)
		}()
		<-handled
		c.hub.memory.Give(weight)
		c.pace()
	}
}

// closeAfter closes the client with the code for what went wrong when a frame was read.
// A connection that just ended needs none.
func (c *client) closeAfter(err error) {
	switch {
	case errors.Is(err, errNoMemory):
		c.close(closeBusy, "this instance has no memory for the frame")
	case errors.Is(err, websocket.ErrMessageTooBig):
		c.close(closeTooBig, "the frame is too large")
	case errors.Is(err, errCloseReason):
		c.close(closeInvalid, "the reason is not UTF-8")
	case websocket.CloseStatus(err) < 0 && !hungUp(err):
		c.close(closeProtocol, "this is no WebSocket frame")
	}
}

// readFrame returns a frame and the memory that was taken for it, beyond what a client
// has anyway. The caller gives it back. After an error nothing is left to give back.
func (c *client) readFrame(ctx context.Context, conn *websocket.Conn) (typ websocket.MessageType, frame []byte, weight int64, err error) {
	typ, r, err := conn.Reader(ctx)
	if err != nil {
		return typ, nil, 0, err
	}
	memory := c.hub.memory
	frame = make([]byte, 0, 512)
	for {
		if len(frame) == cap(frame) {
			if more := frameCopies * int64(2*cap(frame)); 2*cap(frame) > smallFrame {
				if !memory.Try(more - weight) {
					memory.Give(weight)
					return typ, nil, 0, errNoMemory
				}
				weight = more
			}
			frame = append(make([]byte, 0, 2*cap(frame)), frame...)
		}
		n, err := r.Read(frame[len(frame):cap(frame)])
		frame = frame[:len(frame)+n]
		if errors.Is(err, io.EOF) {
			return typ, frame, weight, nil
		}
		if err != nil {
			memory.Give(weight)
			return typ, nil, 0, err
		}
	}
}

// hungUp reports whether the connection just ended, without an error of the protocol.
func hungUp(err error) bool {
	_, network := errors.AsType[net.Error](err)
	return network || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}
