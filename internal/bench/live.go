package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/headgate/headgate/live"
)

// lives measures the push of changes through the hub and real WebSockets. The clients only
// read.
func lives(b *bench) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	clients := min(b.size(10_000, 2_000), int(limit.Cur)/2-500)
	if clients < 10_000 && !b.quick {
		fmt.Fprintf(os.Stderr, "live: only %d clients, because this process may have only %d files open\n", clients, limit.Cur)
	}
	for _, m := range []struct {
		measure func(*bench, int) error
		clients int
	}{{toAll, clients}, {idle, min(b.size(10_000, 2_000), int(limit.Cur)-500)}, {burst, 0}, {slowClients, 0}} {
		if b.quick && m.clients == 0 {
			break // the rest have only one size, which takes long
		}
		if err := m.measure(b, m.clients); err != nil {
			return err
		}
		runtime.GC()
	}
	return nil
}

const rounds = 20

// toAll measures the time until one change has reached all clients. Its floor writes the same
// bytes to the same number of sockets, one after the other.
func toAll(b *bench, clients int) error {
	took, err := hubWrites(clients)
	if err != nil {
		return err
	}
	floor, err := bareWrites(clients)
	if err != nil {
		return err
	}
	slices.Sort(took)
	slices.Sort(floor)
	worst, bare := took[rounds-1], floor[rounds-1]
	b.add(row{measure: fmt.Sprintf("%d WebSocket clients, one change to all, until the last has it, worst of %d, against bare writes to as many sockets", clients, rounds),
		value: float64(worst) / float64(bare), unit: times, goal: atMost(5)},
		"%.1f× (%v against %v; median %v against %v)", float64(worst)/float64(bare), worst.Round(time.Millisecond), bare.Round(time.Millisecond),
		took[rounds/2].Round(time.Millisecond), floor[rounds/2].Round(time.Millisecond))
	return nil
}

// hubWrites changes an entity that all clients subscribe to, and waits until all have the
// change.
func hubWrites(clients int) ([]time.Duration, error) {
	e := &entities{versions: map[live.Key]int64{}}
	h, addr, stop, err := hub(e, time.Millisecond)
	if err != nil {
		return nil, err
	}
	got := make(chan struct{}, clients)
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			_ = c.Close()
		}
		stop()
	}()
	for range clients {
		conn, r, err := dialLive(addr, "1")
		if err != nil {
			return nil, err
		}
		conns = append(conns, conn)
		go func() {
			buf := make([]byte, 512)
			for {
				if _, err := readFrame(r, buf); err != nil {
					return
				}
				got <- struct{}{}
			}
		}()
	}
	if err := subscribed(h, clients); err != nil {
		return nil, err
	}
	time.Sleep(time.Second) // let the work of opening the connections end
	k := live.KeyOf("items", "1")
	var took []time.Duration
	for v := range rounds {
		e.set(k, int64(v+1))
		start := time.Now()
		h.NotifyLocal(k)
		for range clients {
			<-got
		}
		took = append(took, time.Since(start))
	}
	return took, nil
}

// bareWrites writes a frame's bytes to each socket and waits until all were read.
func bareWrites(clients int) ([]time.Duration, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer l.Close()
	frame := bytes.Repeat([]byte("x"), 162) // as long as the hub's frame
	got := make(chan struct{}, clients)
	var ends []net.Conn
	defer func() {
		for _, c := range ends {
			_ = c.Close()
		}
	}()
	var servers []net.Conn
	for range clients {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			return nil, err
		}
		server, err := l.Accept()
		if err != nil {
			return nil, err
		}
		ends, servers = append(ends, conn, server), append(servers, server)
		go func() {
			buf := make([]byte, len(frame))
			r := bufio.NewReaderSize(conn, 512)
			for {
				if _, err := io.ReadFull(r, buf); err != nil {
					return
				}
				got <- struct{}{}
			}
		}()
	}
	time.Sleep(time.Second)
	var took []time.Duration
	for range rounds {
		start := time.Now()
		for _, s := range servers {
			if _, err := s.Write(frame); err != nil {
				return nil, err
			}
		}
		for range clients {
			<-got
		}
		took = append(took, time.Since(start))
	}
	return took, nil
}

// idle measures the memory that the real binary needs for an idle connection.
func idle(b *bench, clients int) error {
	bin, err := b.binary()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "headgate-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	const addr = "127.0.0.1:18981"
	cmd := exec.Command(bin, "-addr", addr, "-data", filepath.Join(dir, "data"), "-store", "sqlite", "-bus", "local")
	if err := cmd.Start(); err != nil {
		return err
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	if err := answers("http://"+addr+"/readyz", time.Now().Add(10*time.Second)); err != nil {
		return err
	}
	before, _, err := memory(cmd.Process.Pid)
	if err != nil {
		return err
	}
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}()
	for i := range clients {
		conn, _, err := dialLive(addr, fmt.Sprint(i%100))
		if err != nil {
			return err
		}
		conns = append(conns, conn)
	}
	time.Sleep(3 * time.Second)
	after, peak, err := memory(cmd.Process.Pid)
	if err != nil {
		return err
	}
	each := (after - before) * 1e6 / 1024 / float64(clients)
	b.peak = peak
	b.add(row{measure: fmt.Sprintf("memory per idle WebSocket, %d of them subscribed, the real binary", clients), value: each, unit: kilobytes, goal: atMost(18)},
		"%.1f KB (%.0f MB, and %.0f MB before)", each, after, before)
	return nil
}

// slowClients measures whether clients that do not read slow the others.
func slowClients(b *bench, _ int) error {
	const clients, keys, each, seconds = 1000, 1000, 10, 5
	run := func(slow int) (p99 time.Duration, grew float64, err error) {
		e := &entities{versions: map[live.Key]int64{}}
		h, addr, stop, err := hub(e, time.Millisecond)
		if err != nil {
			return 0, 0, err
		}
		var conns []net.Conn
		defer func() {
			stop()
			for _, c := range conns {
				_ = c.Close()
			}
		}()
		var mu sync.Mutex
		var took []time.Duration
		for i := range clients {
			var ids []string
			for n := range each {
				ids = append(ids, fmt.Sprint((i*each+n)%keys))
			}
			conn, r, err := dialLive(addr, ids...)
			if err != nil {
				return 0, 0, err
			}
			conns = append(conns, conn)
			if i < slow { // this client never reads
				if tcp, ok := conn.(*net.TCPConn); ok {
					_ = tcp.SetReadBuffer(4096)
				}
				continue
			}
			go func() {
				buf := make([]byte, 512)
				for {
					frame, err := readFrame(r, buf)
					if err != nil {
						return
					}
					at := bytes.Index(frame, []byte(`"v":`))
					var sent int64
					if _, err := fmt.Sscanf(string(frame[at+4:at+23]), "%d", &sent); err != nil {
						continue
					}
					d := time.Duration(time.Now().UnixNano() - sent)
					mu.Lock()
					took = append(took, d)
					mu.Unlock()
				}
			}()
		}
		if err := subscribed(h, clients*each); err != nil {
			return 0, 0, err
		}
		var m runtime.MemStats
		half := uint64(0)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for n := range seconds * 100 {
			<-tick.C
			for i := range 10 {
				k := live.KeyOf("items", fmt.Sprint((n*10+i)%keys))
				e.set(k, time.Now().UnixNano())
				h.NotifyLocal(k)
			}
			if n == seconds*50 {
				runtime.GC()
				runtime.ReadMemStats(&m)
				half = m.HeapInuse
			}
		}
		runtime.GC()
		runtime.ReadMemStats(&m)
		mu.Lock()
		defer mu.Unlock()
		slices.Sort(took)
		if len(took) == 0 {
			return 0, 0, errors.New("the clients received no frame")
		}
		return took[len(took)*99/100], float64(m.HeapInuse)/float64(half) - 1, nil
	}
	if _, _, err := run(0); err != nil { // warm up
		return err
	}
	without, _, err := run(0)
	if err != nil {
		return err
	}
	with, grew, err := run(10)
	if err != nil {
		return err
	}
	ratio := float64(with) / float64(without)
	b.add(row{measure: "1,000 changes/s to 1,000 clients with 10 subscriptions each, the others' p99 when 10 of them do not read", value: ratio, unit: times, goal: atMost(1.1),
		also: "memory flat", held: grew < 0.2},
		"%.2f× (%v against %v), heap %+.0f %% in the second half", ratio, with.Round(10*time.Microsecond), without.Round(10*time.Microsecond), grew*100)
	return nil
}

// burst counts the fetches of an entity during a burst of signals.
func burst(b *bench, _ int) error {
	const clients, signals, coalesce = 100, 10_000, 100 * time.Millisecond
	e := &entities{versions: map[live.Key]int64{}}
	h, addr, stop, err := hub(e, coalesce)
	if err != nil {
		return err
	}
	newest := make([]atomic.Int64, clients)
	var conns []net.Conn
	defer func() {
		stop()
		for _, c := range conns {
			_ = c.Close()
		}
	}()
	for i := range clients {
		conn, r, err := dialLive(addr, "1")
		if err != nil {
			return err
		}
		conns = append(conns, conn)
		go func() {
			buf := make([]byte, 512)
			for {
				frame, err := readFrame(r, buf)
				if err != nil {
					return
				}
				var v int64
				if _, err := fmt.Sscanf(string(frame[bytes.Index(frame, []byte(`"v":`))+4:]), "%d", &v); err == nil {
					newest[i].Store(v)
				}
			}
		}()
	}
	if err := subscribed(h, clients); err != nil {
		return err
	}
	time.Sleep(300 * time.Millisecond)
	e.fetches.Store(0)
	start := time.Now()
	k := live.KeyOf("items", "1")
	for v := range signals {
		e.set(k, int64(v+1))
		h.NotifyLocal(k)
		if v%20 == 19 {
			time.Sleep(time.Millisecond)
		}
	}
	at := 0
	for deadline := time.Now().Add(5 * time.Second); at < clients && time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		at = 0
		for i := range newest {
			if newest[i].Load() == signals {
				at++
			}
		}
	}
	took := time.Since(start)
	most := int64(took/coalesce) + 2
	b.add(row{measure: "fetches for 10,000 webhooks for one entity, 100 clients, against one per 100 ms", value: float64(e.fetches.Load()) / float64(most), unit: times, goal: atMost(1),
		also: "every client at the newest", held: at == clients},
		"%d fetches in %v, %d of %d clients at the newest", e.fetches.Load(), took.Round(time.Millisecond), at, clients)
	return nil
}
