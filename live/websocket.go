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

	"github.com/headgate/headgate/internal/platform/fault"
)

// writeTimeout is how long one write may block.
const writeTimeout = 10 * time.Second

// Subprotocol asks for protocol 2, as ?protocol=2 does.
const Subprotocol = "headgate.v2"

// Connection says who connects.
type Connection struct {
	Secret  string
	Allowed func(Key) bool // nil: everything
	Until   time.Time      // when that ends, and the connection with it; zero: never
}

type socket struct {
	conn   *websocket.Conn
	once   sync.Once
	closed chan struct{} // the closing handshake is over
}

func (s *socket) Write(frame []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
	defer cancel()
	return s.conn.Write(ctx, websocket.MessageText, frame)
}

func (s *socket) Ping() error {
	ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
	defer cancel()
	return s.conn.Ping(ctx)
}

func (s *socket) Close(code int, reason string) {
	s.once.Do(func() {
		go func() { // the closing handshake waits for the peer, at most 5 s
			_ = s.conn.Close(websocket.StatusCode(code), reason)
			_ = s.conn.CloseNow()
			close(s.closed)
		}()
	})
}

// ServeWebSocket takes a client, and serves it after it returned. The caller has
// checked the Origin, as for every other route.
func (h *Hub) ServeWebSocket(w http.ResponseWriter, r *http.Request, who Connection) error {
	protocol := 1
	switch r.URL.Query().Get("protocol") {
	case "", "1":
		for p := range strings.SplitSeq(r.Header.Get("Sec-WebSocket-Protocol"), ",") {
			if strings.TrimSpace(p) == Subprotocol {
				protocol = 2
			}
		}
	case "2":
		protocol = 2
	default:
		return fault.New(fault.Invalid, "protocol must be 1 or 2")
	}
	if !headerHas(r.Header, "Connection", "upgrade") || !headerHas(r.Header, "Upgrade", "websocket") {
		w.Header().Set("Upgrade", "websocket")
		return fault.New(fault.Invalid, "this is a WebSocket: connect with one")
	}
	if err := h.enter(0); err != nil {
		return err
	}
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		Subprotocols: []string{Subprotocol}, InsecureSkipVerify: true, CompressionMode: websocket.CompressionDisabled,
	})
	if err != nil {
		h.o.Memory.Live.Give(clientWeight)
		return nil // it was answered
	}
	conn.SetReadLimit(int64(h.o.MaxFrame))
	transport := &socket{conn: conn, closed: make(chan struct{})}
	c := &Client{transport: transport, kind: "websocket", remote: r.RemoteAddr, protocol: protocol, allowed: who.Allowed, until: who.Until, secret: who.Secret, weight: clientWeight}
	if !h.join(c) {
		h.o.Memory.Live.Give(clientWeight)
		_ = conn.Close(closeRestart, "the server restarts")
		_ = conn.CloseNow()
		return nil
	}
	c.answer(reply{Type: "welcome", Protocol: 2, Connection: c.id})
	// The handler ends here, and with it the request and the stack that served it:
	// most of what an idle connection would weigh.
	if !h.spawn(func() {
		c.read(conn)
		c.close(closeGoingAway, "")
		<-transport.closed
	}) {
		c.close(closeRestart, "the server restarts")
	}
	return nil
}

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

// read handles frames until the client goes.
func (c *Client) read(conn *websocket.Conn) {
	ctx := context.Background() // closing the connection ends it
	// Who comes back subscribes to all that it had, at once.
	limit := rate.NewLimiter(rate.Limit(c.hub.o.FramesPerSecond), 2*c.hub.o.FramesPerSecond+c.hub.o.MaxSubs)
	for {
		typ, frame, weight, err := c.readFrame(ctx, conn)
		if err != nil {
			switch {
			case errors.Is(err, errNoMemory):
				c.close(closeBusy, "this instance has no memory for the frame")
			case errors.Is(err, websocket.ErrMessageTooBig):
				c.close(closeTooBig, "the frame is too large")
			case websocket.CloseStatus(err) < 0 && !hungUp(err):
				c.close(closeProtocol, "this is no WebSocket frame")
			}
			return
		}
		if typ == websocket.MessageText && !utf8.Valid(frame) {
			c.hub.o.Memory.Live.Give(weight)
			c.close(closeInvalid, "the text is not UTF-8")
			return
		}
		if !limit.Allow() {
			c.hub.o.Memory.Live.Give(weight)
			c.close(closePolicy, "too many frames")
			return
		}
		c.handle(ctx, frame)
		c.hub.o.Memory.Live.Give(weight)
		c.pace()
	}
}

// readFrame returns a frame and the memory that was taken for it, beyond what a
// client has anyway. On an error, and where the client is closed, that is returned.
func (c *Client) readFrame(ctx context.Context, conn *websocket.Conn) (typ websocket.MessageType, frame []byte, weight int64, err error) {
	typ, r, err := conn.Reader(ctx)
	if err != nil {
		return typ, nil, 0, err
	}
	live := c.hub.o.Memory.Live
	frame = make([]byte, 0, 512)
	for {
		if len(frame) == cap(frame) {
			if more := frameCopies * int64(2*cap(frame)); 2*cap(frame) > smallFrame {
				if !live.Try(more - weight) {
					live.Give(weight)
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
			live.Give(weight)
			return typ, nil, 0, err
		}
	}
}

// hungUp is whether the connection just ended.
func hungUp(err error) bool {
	_, network := errors.AsType[net.Error](err)
	return network || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}
