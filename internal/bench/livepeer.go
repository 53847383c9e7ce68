package main

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// centrifugo is the peer of the live rows. It is built from the module proxy into the cache of
// the user, and is no dependency.
const centrifugo = "github.com/centrifugal/centrifugo/v6@v6.9.1"

// liveServer is a process that pushes one value to all of its clients.
type liveServer struct {
	*running
	addr    string
	program *exec.Cmd
	path    string   // of the WebSocket; "": the clients are bare sockets
	hello   []string // what a client sends first
	publish func(v int) error
	value   int // the last that was published, a number of ten digits
}

// liveBody is the value, as 150 bytes of JSON. Clients look for the number.
func liveBody(v int) string {
	return fmt.Sprintf(`{"v":%d,"padding":"%s"}`, v, strings.Repeat("x", 119))
}

// startHeadgate starts the real binary. A change is a PUT of a record, which is stored durably.
func startHeadgate(b *bench, dir string) (*liveServer, error) {
	bin, err := b.binary()
	if err != nil {
		return nil, err
	}
	return b.startLive(func(addr string) *liveServer {
		return &liveServer{
			program: exec.Command(bin, "-addr", addr, "-data", filepath.Join(dir, "data"), "-store", "sqlite", "-bus", "local"),
			path:    "/ws/entity-sync/", hello: []string{`{"action":"subscribe","body":{"entity":"items","id":"1"}}`},
			publish: func(v int) error { return send("PUT", "http://"+addr+"/orgs/default/items/1", "", liveBody(v)) },
		}
	})
}

// startCentrifugo builds Centrifugo if it is not in the cache, and starts it. A change is a
// publication, which it keeps in memory.
func startCentrifugo(b *bench, dir string) (*liveServer, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	bin := filepath.Join(cache, "headgate-bench", strings.ReplaceAll(centrifugo, "/", "_"))
	if _, err := os.Stat(bin); err != nil {
		build := exec.Command("go", "install", centrifugo)
		build.Dir, build.Env = dir, append(os.Environ(), "GOBIN="+dir)
		if _, err := b.output(build); err != nil {
			return nil, fmt.Errorf("build: %w", err)
		}
		if err := os.MkdirAll(filepath.Dir(bin), 0o750); err != nil {
			return nil, err
		}
		if err := os.Rename(filepath.Join(dir, "centrifugo"), bin); err != nil {
			return nil, err
		}
	}
	return b.startLive(func(addr string) *liveServer {
		const key = "bench"
		_, port, _ := net.SplitHostPort(addr)
		config := filepath.Join(dir, "centrifugo.json")
		_ = os.WriteFile(config, fmt.Appendf(nil, `{"client":{"insecure":true},"http_api":{"key":%q},"log":{"level":"error"},"http_server":{"address":"127.0.0.1","port":%s},
			"channel":{"without_namespace":{"allow_subscribe_for_client":true}}}`, key, port), 0o600)
		return &liveServer{
			program: exec.Command(bin, "-c", config), path: "/connection/websocket",
			hello: []string{`{"id":1,"connect":{}}`, `{"id":2,"subscribe":{"channel":"items"}}`},
			publish: func(v int) error {
				return send("POST", "http://"+addr+"/api/publish", key, `{"channel":"items","data":`+liveBody(v)+`}`)
			},
		}
	})
}

// bareSockets is the argument by which this program runs as the floor's server.
const bareSockets = "bare-sockets"

// startBare starts this program as the floor: a server that writes the same bytes to each
// socket, one after the other.
func startBare(b *bench, _ string) (*liveServer, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return b.startLive(func(addr string) *liveServer {
		var to net.Conn
		return &liveServer{program: exec.Command(self, bareSockets, addr), publish: func(v int) (err error) {
			if to == nil {
				if to, err = net.Dial("tcp", addr); err != nil {
					return err
				}
			}
			_, err = to.Write(binary.BigEndian.AppendUint32(nil, uint32(v)))
			return err
		}}
	})
}

// serveBare accepts sockets whose first bytes are zero, and writes each other number that a
// connection brings to all of them.
func serveBare(addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	var all []net.Conn
	write := func(v int) error {
		text := liveBody(v)
		frame := append(binary.BigEndian.AppendUint16([]byte{0x81, 126}, uint16(len(text))), text...)
		mu.Lock()
		defer mu.Unlock()
		for _, c := range all {
			if _, err := c.Write(frame); err != nil {
				return err
			}
		}
		return nil
	}
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			var number [4]byte
			for _, err := io.ReadFull(conn, number[:]); err == nil; _, err = io.ReadFull(conn, number[:]) {
				if v := binary.BigEndian.Uint32(number[:]); v > 0 {
					_ = write(int(v))
					continue
				}
				mu.Lock()
				all = append(all, conn)
				mu.Unlock()
				return
			}
		}()
	}
}

// startLive starts a server on a free port and waits until it accepts connections.
func (b *bench) startLive(of func(addr string) *liveServer) (*liveServer, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	s := of(addr)
	s.addr, s.value = addr, 1_000_000_000
	if s.running, err = b.start(s.program); err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if conn, err := net.Dial("tcp", addr); err == nil {
			_ = conn.Close()
			time.Sleep(time.Second) // let the work of starting end
			return s, nil
		}
	}
	s.stop()
	return nil, errors.New(s.program.Path + " did not start in time")
}

// send sends a body and wants a good answer.
func send(method, url, key, body string) error {
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	if key != "" {
		r.Header.Set("X-API-Key", key)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	if err := cmp.Or(err, resp.Body.Close()); err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return errors.New(resp.Status)
	}
	return nil
}
