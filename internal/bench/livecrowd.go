package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
)

// crowd is many clients of one server. They are the same for each server.
type crowd struct {
	conns  []net.Conn
	newest []int64      // the newest value of each client, of which only its reader knows
	wanted atomic.Int64 // a value that all are waited for
	left   atomic.Int64 // clients that do not have it
	done   chan struct{}
}

// gather connects the clients.
func gather(s *liveServer, clients int) (*crowd, error) {
	c := &crowd{newest: make([]int64, clients), done: make(chan struct{}, 1)}
	c.wanted.Store(1 << 62)
	for i := range clients {
		if err := c.dial(s, i); err != nil {
			c.leave()
			return nil, err
		}
	}
	return c, nil
}

func (c *crowd) leave() {
	for _, conn := range c.conns {
		_ = conn.Close()
	}
}

// expect begins to wait, on done, until all clients have the value.
func (c *crowd) expect(v int) {
	c.left.Store(int64(len(c.conns)))
	c.wanted.Store(int64(v))
}

func (c *crowd) dial(s *liveServer, i int) error {
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		return err
	}
	c.conns = append(c.conns, conn)
	r := bufio.NewReaderSize(conn, 512)
	if s.path == "" {
		_, err = conn.Write(make([]byte, 4))
		go c.read(i, conn, r)
		return err
	}
	_, err = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", s.path, s.addr)
	if err != nil {
		return err
	}
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		return errors.New(resp.Status)
	}
	for _, text := range s.hello {
		if _, err := conn.Write(masked(text)); err != nil {
			return err
		}
	}
	go c.read(i, conn, r)
	return nil
}

// read reads values until the connection ends, and answers pings.
func (c *crowd) read(i int, conn net.Conn, r *bufio.Reader) {
	buf := make([]byte, 1024)
	for {
		opcode, frame, err := readAny(r, buf)
		if err != nil {
			return
		}
		switch {
		case opcode == 9: // a ping
			pong := masked(string(frame))
			pong[0] = 0x8a
			_, err = conn.Write(pong)
		case string(frame) == "{}": // a ping of Centrifugo's own
			_, err = conn.Write(masked("{}"))
		default:
			c.take(i, frame)
		}
		if err != nil {
			return
		}
	}
}

// take notes the values in a frame, which may have several.
func (c *crowd) take(i int, frame []byte) {
	const digits = 10
	for {
		at := bytes.Index(frame, []byte(`"v":`))
		if at < 0 || len(frame) < at+4+digits {
			return
		}
		frame = frame[at+4:]
		v, err := strconv.ParseInt(string(frame[:digits]), 10, 64)
		if err != nil {
			return
		}
		wanted := c.wanted.Load()
		if c.newest[i] < wanted && v >= wanted && c.left.Add(-1) == 0 {
			c.done <- struct{}{}
		}
		c.newest[i] = v
	}
}

// readAny is readFrame for frames of any kind.
func readAny(r *bufio.Reader, buf []byte) (opcode byte, payload []byte, err error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:2]); err != nil {
		return 0, nil, err
	}
	n := int(head[1] & 0x7f)
	if n == 126 {
		if _, err := io.ReadFull(r, head[2:]); err != nil {
			return 0, nil, err
		}
		n = int(binary.BigEndian.Uint16(head[2:]))
	}
	if n > len(buf) {
		return 0, nil, errors.New("the frame is too long")
	}
	_, err = io.ReadFull(r, buf[:n])
	return head[0] & 0xf, buf[:n], err
}
