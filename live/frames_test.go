package live_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/bus"
	"github.com/headgate/headgate/internal/bus/localbus"
	"github.com/headgate/headgate/live"
)

// raw is a connection to which frames are written by hand.
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

// frame writes one, masked with zeros. first has FIN and the opcode.
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

// What is no WebSocket is closed with the code for it, and hurts nobody else.
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
		"a good bye":          {[]byte{fin | closing, 0x82, 0, 0, 0, 0, 0x03, 0xe8}, 1000},
		"a bye of one byte":   {[]byte{fin | closing, 0x81, 0, 0, 0, 0, 0x03}, 1002},
		"more than the limit": {append([]byte{fin | text, 0x80 | 127, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0}, bytes.Repeat([]byte("x"), 0x20000)...), 1009},
	} {
		p := w.raw("")
		_, err := p.conn.Write(c.bytes)
		require.NoError(t, err, name)
		var head [4]byte
		if _, err := io.ReadFull(p.r, head[:]); err != nil { // it may just hang up on what is no protocol
			require.Equal(t, 1002, c.code, name)
			continue
		}
		require.Equal(t, byte(fin|closing), head[0], name)
		require.Equal(t, c.code, int(binary.BigEndian.Uint16(head[2:])), name)
	}
	other.send(`{"action":"subscribe","body":{"entity":"items","id":"1"}}`)
	require.Equal(t, "subscribed", other.read()["type"])
}

// Every frame is one that the schema describes.
func TestFramesAreAsTheSchemaSays(t *testing.T) {
	t.Parallel()
	file, err := os.Open("../docs/live.schema.json")
	require.NoError(t, err)
	defer file.Close()
	doc, err := jsonschema.UnmarshalJSON(file)
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	require.NoError(t, c.AddResource("live.schema.json", doc))
	from, err := c.Compile("live.schema.json#/$defs/fromServer")
	require.NoError(t, err)
	to, err := c.Compile("live.schema.json#/$defs/fromClient")
	require.NoError(t, err)
	w := newWorld(t, nil)
	w.set("items", "1", 1)
	p := w.dial("protocol=2")
	for _, frame := range []string{
		`{"action":"subscribe","body":{"entity":"items","id":"1","have":""},"ref":"r"}`, `{"action":"subscribe","body":{"entity":"items","id":"2","have":"x"}}`,
		`{"action":"secret","body":"s"}`, `{"action":"unsubscribe","body":{"entity":"items","id":"2"}}`,
	} {
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(frame))
		require.NoError(t, err)
		require.NoError(t, to.Validate(v))
		p.send(frame)
	}
	p.send(`{"action":"dance"}`)
	seen := map[string]bool{}
	for !seen["error"] || !seen["entity"] { // what it asked for before it changed its secret is answered
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(p.raw()))
		require.NoError(t, err)
		require.NoError(t, from.Validate(v))
		m, _ := v.(map[string]any)
		kind, _ := m["type"].(string)
		seen[kind] = true
	}
}

// lossy is a bus that can be lost.
type lossy struct {
	bus.Bus
	mu   sync.Mutex
	lose context.CancelFunc
	away atomic.Bool
}

func (l *lossy) Receive(ctx context.Context, s bus.Subscription, ready func(), handle func(context.Context, bus.Message) error) error {
	if l.away.Load() {
		return errors.New("away")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	l.mu.Lock()
	l.lose = cancel
	l.mu.Unlock()
	err := l.Bus.Receive(ctx, s, ready, handle)
	if l.away.Load() {
		return errors.New("lost")
	}
	return err
}

// An instance that lost its bus sends its clients elsewhere, says so, and is there
// again when the bus is.
func TestALostBus(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	b := &lossy{Bus: localbus.New("live")}
	s := &live.Signals{Bus: b, Topic: "live", Name: "instance-1", Hub: w.hub, Log: slog.New(slog.DiscardHandler)}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { s.Receive(ctx) })
	t.Cleanup(func() { cancel(); running.Wait(); _ = b.Close() })
	require.Eventually(t, s.Connected, 5*time.Second, time.Millisecond)
	p := w.dial("protocol=2")
	b.away.Store(true)
	b.mu.Lock()
	b.lose()
	b.mu.Unlock()
	require.Equal(t, "bye", p.read()["type"])
	require.Equal(t, 1012, p.code())
	require.False(t, s.Connected())
	b.away.Store(false)
	require.Eventually(t, s.Connected, 30*time.Second, 5*time.Millisecond)
}

// Connections end before the platform ends them.
func TestConnectionsEnd(t *testing.T) {
	t.Parallel()
	var clock atomic.Int64
	w := newWorld(t, func(_ *world, o *live.Options) {
		o.MaxConnection = time.Hour
		o.Now = func() time.Time { return time.Unix(1.7e9, clock.Load()) }
	})
	p := w.dial("protocol=2")
	beaten := make(chan struct{})
	go func() { w.hub.Beat(); close(beaten) }() // long before
	p.send(`{"action":"dance"}`)
	require.Equal(t, "error", p.read()["type"])
	p.send(`{"action":"dance"}`) // who reads answers pings
	require.Equal(t, "error", p.read()["type"])
	go func() { <-beaten; p.send(`{"action":"dance"}`) }()
	require.Equal(t, "error", p.read()["type"])
	clock.Store(int64(time.Hour))
	w.hub.Beat()
	require.Equal(t, "bye", p.read()["type"])
	require.Equal(t, 1012, p.code())
}
