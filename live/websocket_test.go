package live_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/live"
)

// raw is a WebSocket whose frames the test writes byte by byte.
type raw struct {
	*testing.T
	conn net.Conn
	r    *bufio.Reader
}

func (w *world) raw(query string) *raw {
	w.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	require.NoError(w, err)
	w.Cleanup(func() { _ = conn.Close() })
	require.NoError(w, conn.SetDeadline(time.Now().Add(10*time.Second)))
	_, err = fmt.Fprintf(conn, "GET /ws?%s HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", query)
	require.NoError(w, err)
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, nil)
	require.NoError(w, err)
	require.Equal(w, http.StatusSwitchingProtocols, resp.StatusCode)
	return &raw{w.T, conn, r}
}

// frame writes a frame, masked with zeros. first is FIN and the opcode.
func (p *raw) frame(first byte, payload string) {
	p.Helper()
	b := []byte{first, 0x80 | byte(min(len(payload), 126))}
	if len(payload) >= 126 {
		b = binary.BigEndian.AppendUint16(b, uint16(len(payload)))
	}
	_, err := p.conn.Write(append(append(b, 0, 0, 0, 0), payload...))
	require.NoError(p, err)
}

// read returns the opcode and the payload of a frame.
func (p *raw) read() (opcode byte, payload []byte) {
	p.Helper()
	var head [2]byte
	_, err := io.ReadFull(p.r, head[:])
	require.NoError(p, err)
	n := int(head[1])
	if n == 126 {
		var long [2]byte
		_, err = io.ReadFull(p.r, long[:])
		require.NoError(p, err)
		n = int(binary.BigEndian.Uint16(long[:]))
	}
	payload = make([]byte, n)
	_, err = io.ReadFull(p.r, payload)
	require.NoError(p, err)
	return head[0] & 0x0f, payload
}

const (
	fin      = 0x80
	text     = 0x1
	closing  = 0x8
	ping     = 0x9
	pong     = 0xa
	reserved = 0x3
)

// A message in fragments, with a ping between them.
func TestFragments(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	p := w.raw("protocol=2")
	p.read() // welcome
	const message = `{"action":"subscribe","body":{"entity":"ïtems 🌊","id":"1"},"ref":"r"}`
	at := strings.Index(message, "🌊") + 2 // within a rune
	p.frame(text, message[:at])
	p.frame(fin|ping, "are you there?")
	opcode, payload := p.read()
	require.Equal(t, byte(pong), opcode)
	require.Equal(t, "are you there?", string(payload))
	p.frame(0, message[at:at+5])
	p.frame(fin, message[at+5:])
	_, payload = p.read()
	require.JSONEq(t, `{"type":"subscribed","entity":"ïtems 🌊","id":"1","ref":"r"}`, string(payload))
}

// A client that breaks the protocol is closed with the code for it. Others are not
// disturbed.
func TestBadFrames(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	other := w.dial("protocol=2")
	for name, c := range map[string]struct {
		bytes []byte
		code  int
	}{
		"not masked":          {[]byte{fin | text, 2, '{', '}'}, 1002},
		"a reserved opcode":   {[]byte{fin | reserved, 0x80, 0, 0, 0, 0}, 1002},
		"a reserved bit":      {[]byte{fin | 0x40 | text, 0x80, 0, 0, 0, 0}, 1002},
		"a long ping":         {append([]byte{fin | ping, 0x80 | 126, 1, 0, 0, 0, 0, 0}, make([]byte, 256)...), 1002},
		"a ping in fragments": {[]byte{ping, 0x80, 0, 0, 0, 0}, 1002},
		"not UTF-8":           {[]byte{fin | text, 0x81, 0, 0, 0, 0, 0xff}, 1007},
		"a length of 2^63":    {[]byte{fin | text, 0x80 | 127, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 1002},
		"a proper close":      {[]byte{fin | closing, 0x82, 0, 0, 0, 0, 0x03, 0xe8}, 1000},
		"a bad reason":        {[]byte{fin | closing, 0x83, 1, 2, 3, 4, 0x02, 0xea, 0xff ^ 3}, 1007},
		"a bad reason later":  {[]byte{fin | text, 0x84, 0, 0, 0, 0, 'n', 'u', 'l', 'l', fin | closing, 0x85, 0, 0, 0, 0, 0x03, 0xe8, 'a', 0xc3, 'b'}, 1007},
		"a good reason":       {[]byte{fin | closing, 0x84, 0, 0, 0, 0, 0x03, 0xe8, 0xc3, 0xa9}, 1000},
		"a close of one byte": {[]byte{fin | closing, 0x81, 0, 0, 0, 0, 0x03}, 1002},
		"more than the limit": {append([]byte{fin | text, 0x80 | 127, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0}, bytes.Repeat([]byte("x"), 0x20000)...), 1009},
	} {
		p := w.raw("")
		_, err := p.conn.Write(c.bytes)
		require.NoError(t, err, name)
		var head [4]byte
		if _, err := io.ReadFull(p.r, head[:]); err != nil { // the server may hang up without a close frame
			require.Equal(t, 1002, c.code, name)
			continue
		}
		require.Equal(t, byte(fin|closing), head[0], name)
		require.Equal(t, c.code, int(binary.BigEndian.Uint16(head[2:])), name)
	}
	other.send(`{"action":"subscribe","body":{"entity":"items","id":"1"}}`)
	require.Equal(t, "subscribed", other.read()["type"])
}

func TestLimits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(_ *world, o *live.Options) { o.MaxSubscriptions, o.FramesPerSecond = 2, 10 })
	p := w.dial("protocol=2")
	for i := range 3 {
		p.send(fmt.Sprintf(`{"action":"subscribe","body":{"entity":"items","id":"%d"}}`, i))
		m := p.read()
		if i == 2 {
			require.Equal(t, "limit", m["code"])
		}
	}
	for range 30 {
		if p.conn.Write(t.Context(), websocket.MessageText, []byte(`{}`)) != nil {
			break
		}
	}
	require.Equal(t, 1008, p.code())
	q := w.dial("")
	require.NoError(t, q.conn.Write(t.Context(), websocket.MessageText, []byte("\xff\xfe")))
	require.Equal(t, 1007, q.code())
	resp, err := http.Get(w.url + "/ws")
	require.NoError(t, err)
	_ = resp.Body.Close()
	require.Equal(t, 400, resp.StatusCode)
}

// A client that reconnects subscribes at once to everything that it had, which does not
// count as a flood.
func TestReconnectingWithManySubscriptions(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(_ *world, o *live.Options) { o.FramesPerSecond = 1 }) // however slow the machine is, the allowance is used up
	p := w.dial("protocol=2")
	p.send(`{"action":"secret","body":"s"}`)
	for i := range live.DefaultMaxSubscriptions {
		p.send(fmt.Sprintf(`{"action":"subscribe","body":{"entity":"items","id":"%d","have":""}}`, i))
	}
	for gone := 0; gone < live.DefaultMaxSubscriptions; {
		if p.read()["type"] == "gone" {
			gone++
		}
	}
	for range 250 {
		if p.conn.Write(t.Context(), 1, []byte(`{}`)) != nil {
			break
		}
	}
	require.Equal(t, 1008, p.code(), "this is a flood")
}
