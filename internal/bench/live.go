package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/headgate/headgate/live"
)

// lives measures the push of changes through the hub and real WebSockets. The clients only
// read. The quick bench has what livepeers measures with more clients, and no peer.
func lives(b *bench) error {
	if !b.quick {
		return errors.Join(burst(b), slowClients(b))
	}
	const clients = 2_000
	return errors.Join(toAll(b, clients), idle(b, clients))
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
	median, bare := took[rounds/2], floor[rounds/2]
	b.add(row{measure: fmt.Sprintf("%d WebSocket clients, one change to all, until the last has it, median of %d, against bare writes to as many sockets", clients, rounds),
		value: float64(median) / float64(bare), unit: times, goal: atMost(1.5)},
		"%.1f× (%v against %v; worst %v against %v)", float64(median)/float64(bare), median.Round(time.Millisecond), bare.Round(time.Millisecond),
		took[rounds-1].Round(time.Millisecond), floor[rounds-1].Round(time.Millisecond))
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
	conns, err := listeners(addr, clients, func(int) []string { return []string{"1"} }, func(int, int64) { got <- struct{}{} })
	defer func() {
		closeAll(conns)
		stop()
	}()
	if err != nil {
		return nil, err
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
	dir, err := os.MkdirTemp("", "idle")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	p, err := b.serveBinary(dir)
	if err != nil {
		return err
	}
	defer p.stop()
	before, _, err := memory(p.pid())
	if err != nil {
		return err
	}
	conns, err := listeners(strings.TrimPrefix(p.base, "http://"), clients, func(i int) []string { return []string{fmt.Sprint(i % 100)} }, nil)
	defer closeAll(conns)
	if err != nil {
		return err
	}
	time.Sleep(3 * time.Second)
	after, peak, err := memory(p.pid())
	if err != nil {
		return err
	}
	each := (after - before) * 1e6 / 1024 / float64(clients)
	b.peak = peak
	b.add(row{measure: fmt.Sprintf("memory per idle WebSocket, %d of them subscribed, the real binary", clients), value: each, unit: kilobytes, goal: atMost(18)},
		"%.1f KB (%.0f MB, and %.0f MB before)", each, after, before)
	return nil
}
