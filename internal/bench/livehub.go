package main

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
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headgate/headgate/live"
)

// entities is a live.Resolver whose entities have one row with their version.
type entities struct {
	mu       sync.Mutex
	versions map[live.Key]int64
	fetches  atomic.Int64
}

func (*entities) PerSecret() bool { return false }

func (e *entities) Resolve(_ context.Context, k live.Key, _ string) (live.State, error) {
	e.fetches.Add(1)
	e.mu.Lock()
	v := e.versions[k]
	e.mu.Unlock()
	return live.State{Version: fmt.Sprint(v), Rows: [][]byte{fmt.Appendf(nil, `{"id":"%s","v":%0*d,"padding":"%s"}`, k.ID, versionDigits, v, strings.Repeat("x", 100))}}, nil
}

func (e *entities) set(k live.Key, v int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.versions[k] = v
}

// hub serves a hub's WebSockets on a free port.
func hub(e *entities, coalesce time.Duration) (h *live.Hub, addr string, stop func(), err error) {
	h = live.New(live.Options{
		Resolver: func(live.Key) live.Resolver { return e }, Log: slog.New(slog.DiscardHandler), Coalesce: coalesce,
		FramesPerSecond: 10_000, MaxMemory: budgets().Live.Total(),
	})
	base, stopServer, err := listen(h.WebSocket())
	return h, strings.TrimPrefix(base, "http://"), func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = h.Close(ctx)
		stopServer()
	}, err
}

// dialLive opens a WebSocket and subscribes to the ids. The caller reads the frames.
func dialLive(addr string, ids ...string) (net.Conn, *bufio.Reader, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, nil, err
	}
	_, err = fmt.Fprintf(conn, "GET /ws/entity-sync/ HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", addr)
	if err != nil {
		return nil, nil, err
	}
	r := bufio.NewReaderSize(conn, 512)
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		return nil, nil, err
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		return nil, nil, errors.New(resp.Status)
	}
	for _, id := range ids {
		if _, err := conn.Write(masked(`{"action":"subscribe","body":{"entity":"items","id":"` + id + `"}}`)); err != nil {
			return nil, nil, err
		}
	}
	return conn, r, nil
}

// listeners opens clients, each of which subscribes to its ids. read gets the version in each
// frame of a client; without it, the clients never read. The caller closes the connections,
// after an error, too.
func listeners(addr string, clients int, ids func(i int) []string, read func(i int, version int64)) (conns []net.Conn, err error) {
	for i := range clients {
		conn, r, err := dialLive(addr, ids(i)...)
		if err != nil {
			return conns, err
		}
		conns = append(conns, conn)
		if read == nil {
			continue
		}
		go func() {
			buf := make([]byte, 512)
			for {
				frame, err := readFrame(r, buf)
				if err != nil {
					return
				}
				if version, ok := versionIn(frame); ok {
					read(i, version)
				}
			}
		}()
	}
	return conns, nil
}

func closeAll(conns []net.Conn) {
	for _, c := range conns {
		_ = c.Close()
	}
}

const versionDigits = 19

// versionIn returns the version of the entity in a frame.
func versionIn(frame []byte) (int64, bool) {
	_, rest, ok := bytes.Cut(frame, []byte(`"v":`))
	if !ok || len(rest) < versionDigits {
		return 0, false
	}
	v, err := strconv.ParseInt(string(rest[:versionDigits]), 10, 64)
	return v, err == nil
}

// masked returns a text frame as a client sends it, with a mask of zeros.
func masked(text string) []byte {
	frame := []byte{0x81, 0x80 | byte(min(len(text), 126))}
	if len(text) >= 126 {
		frame = binary.BigEndian.AppendUint16(frame, uint16(len(text)))
	}
	return append(append(frame, 0, 0, 0, 0), text...)
}

// readFrame reads a frame from the server. It answers no pings, because a measurement ends
// before the server would close the connection.
func readFrame(r *bufio.Reader, buf []byte) ([]byte, error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := int(head[1] & 0x7f)
	if n == 126 {
		var long [2]byte
		if _, err := io.ReadFull(r, long[:]); err != nil {
			return nil, err
		}
		n = int(binary.BigEndian.Uint16(long[:]))
	}
	_, err := io.ReadFull(r, buf[:n])
	return buf[:n], err
}

// subscribed waits until there are n subscriptions.
func subscribed(h *live.Hub, n int) error {
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		got := 0
		for _, c := range h.Clients() {
			got += c.Count
		}
		if got == n {
			return nil
		}
	}
	return errors.New("not all clients subscribed")
}
