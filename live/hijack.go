package live

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"unicode/utf8"
)

// errCloseReason says that a client closed its connection with a reason that is not UTF-8.
// The WebSocket library would return such a reason to it, and RFC 6455 (8.1) asks for the
// close code 1007.
var errCloseReason = errors.New("live: the reason of a close frame is not UTF-8")

// readBuffer is enough for most frames of clients, which subscribe. controlBuffer is enough for
// each control frame.
const (
	readBuffer    = 256
	controlBuffer = 128
)

// checking returns w with a check of the frames that arrive. If w's connection cannot be
// taken over, it returns w itself, and the WebSocket library answers with 501.
func checking(w http.ResponseWriter) http.ResponseWriter {
	for inner := w; ; {
		switch t := inner.(type) {
		case http.Hijacker:
			return &hijacker{ResponseWriter: w}
		case interface{ Unwrap() http.ResponseWriter }:
			inner = t.Unwrap()
		default:
			return w
		}
	}
}

// hijacker is a ResponseWriter whose Hijack returns a checkedConn.
type hijacker struct {
	http.ResponseWriter
	conn *checkedConn // once it was taken over
}

// Hijack implements [http.Hijacker].
func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	early, err := rw.Reader.Peek(rw.Reader.Buffered()) // frames that came with the request
	if err != nil {
		return nil, nil, err
	}
	h.conn = &checkedConn{outlet: outlet{Conn: conn, raw: rawWriterOf(conn)}, from: conn}
	if len(early) > 0 {
		h.conn.from = io.MultiReader(bytes.NewReader(bytes.Clone(early)), conn)
	}
	// The server's buffers are too large for connections that are idle for most of the time.
	// A control frame must fit into the second, see outlet.
	return h.conn, bufio.NewReadWriter(bufio.NewReaderSize(h.conn, readBuffer), bufio.NewWriterSize(h.conn, controlBuffer)), nil
}

// checkedConn is a connection whose Read fails with errCloseReason instead of returning the
// last byte of a close frame whose reason is not UTF-8. It follows the frames only as far
// as this check needs: the WebSocket library finds all other faults.
type checkedConn struct {
	outlet
	from io.Reader
	err  error

	head    [14]byte // of the frame that arrives, as far as it has arrived
	heads   int      // bytes of head
	rest    uint64   // bytes of the frame's payload that have not arrived
	closing []byte   // payload of a close frame, as far as it has arrived
}

// Read implements [net.Conn].
func (c *checkedConn) Read(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.from.Read(p)
	if bad := c.follow(p[:n]); bad >= 0 {
		c.err = errCloseReason
		return bad, c.err
	}
	return n, err
}

// follow reads what has arrived. It returns the position of the last byte of a close frame
// that is not valid, or -1.
func (c *checkedConn) follow(b []byte) int {
	for i := 0; i < len(b); {
		if c.rest == 0 { // within a head
			c.head[c.heads] = b[i]
			c.heads++
			i++
			if c.heads < c.headSize() {
				continue
			}
			c.rest, c.closing = c.payloadSize(), nil
			if c.rest == 0 {
				c.heads = 0
			}
			continue
		}
		arrived := b[i:]
		if c.rest < uint64(len(arrived)) {
			arrived = arrived[:c.rest]
		}
		if c.isClose() {
			c.closing = append(c.closing, arrived...)
		}
		i += len(arrived)
		if c.rest -= uint64(len(arrived)); c.rest == 0 {
			if c.isClose() && !c.validReason() {
				return i - 1
			}
			c.heads = 0
		}
	}
	return -1
}

// isClose reports whether the frame is a close frame. One over 125 bytes does not count: the
// WebSocket library refuses it.
func (c *checkedConn) isClose() bool { return c.head[0]&0xf == 8 && c.payloadSize() <= 125 }

// headSize returns the size of the frame's head. While fewer than two bytes have arrived, it
// returns two: they tell the rest.
func (c *checkedConn) headSize() int {
	size := 2
	if c.heads < size {
		return size
	}
	switch c.head[1] & 0x7f {
	case 126:
		size += 2
	case 127:
		size += 8
	}
	if c.head[1]&0x80 != 0 {
		size += 4 // the mask
	}
	return size
}

func (c *checkedConn) payloadSize() uint64 {
	switch n := c.head[1] & 0x7f; n {
	case 126:
		return uint64(binary.BigEndian.Uint16(c.head[2:]))
	case 127:
		return binary.BigEndian.Uint64(c.head[2:])
	default:
		return uint64(n)
	}
}

// validReason reports whether the reason behind the close code is UTF-8.
func (c *checkedConn) validReason() bool {
	if c.head[1]&0x80 != 0 {
		mask := c.head[c.headSize()-4 : c.headSize()]
		for i := range c.closing {
			c.closing[i] ^= mask[i%4]
		}
	}
	return len(c.closing) < 2 || utf8.Valid(c.closing[2:])
}
