package main

import (
	"errors"
	"fmt"
	"net"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headgate/headgate/live"
)

// Of the steady stream of changes: each of its clients subscribes to some of the keys.
const (
	steadyClients = 1000
	steadyKeys    = 1000
	steadyEach    = 10 // subscriptions of a client
	steadySilent  = 10 // clients that do not read, where there are such
	steadySeconds = 4
	steadyPairs   = 3
)

// slowClients measures whether clients that do not read slow the others. It measures without and
// with them in turn, and compares the medians.
func slowClients(b *bench) error {
	if _, _, err := steady(0); err != nil { // warm up
		return err
	}
	var p99 [2][]float64
	grew := 0.0
	for range steadyPairs {
		for i, silent := range []int{0, steadySilent} {
			took, growth, err := steady(silent)
			if err != nil {
				return err
			}
			p99[i] = append(p99[i], milliseconds(took))
			if silent > 0 {
				grew = max(grew, growth)
			}
		}
	}
	without, with := median(p99[0]), median(p99[1])
	b.add(row{measure: fmt.Sprintf("1,000 changes/s to %d clients with %d subscriptions each, the others' p99 when %d of them do not read", steadyClients, steadyEach, steadySilent),
		value: with / without, unit: times, goal: atMost(1.1), also: "memory flat", held: grew < 0.2},
		"%.2f× (%.2f ms against %.2f ms), heap %+.0f %% at most in the second half", with/without, with, without, grew*100)
	return nil
}

// steady makes 1,000 changes a second to clients of which some are silent. It returns the p99 of
// the times until the others have a change, and how much the heap grew in the second half.
func steady(silent int) (p99 time.Duration, grew float64, err error) {
	defer runtime.GC()
	e := &entities{versions: map[live.Key]int64{}}
	h, addr, stop, err := hub(e, time.Millisecond)
	if err != nil {
		return 0, 0, err
	}
	var conns []net.Conn
	defer func() {
		stop()
		closeAll(conns)
	}()
	ids := func(i int) (ids []string) {
		for n := range steadyEach {
			ids = append(ids, fmt.Sprint((i*steadyEach+n)%steadyKeys))
		}
		return ids
	}
	var mu sync.Mutex
	var took []time.Duration
	read := func(_ int, version int64) {
		d := time.Since(time.Unix(0, version))
		mu.Lock()
		defer mu.Unlock()
		took = append(took, d)
	}
	if conns, err = listeners(addr, silent, ids, nil); err != nil {
		return 0, 0, err
	}
	for _, c := range conns {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetReadBuffer(4096)
		}
	}
	reading, err := listeners(addr, steadyClients-silent, func(i int) []string { return ids(silent + i) }, read)
	if conns = append(conns, reading...); err != nil {
		return 0, 0, err
	}
	if err := subscribed(h, steadyClients*steadyEach); err != nil {
		return 0, 0, err
	}
	grew = steadyChanges(h, e)
	mu.Lock()
	defer mu.Unlock()
	if len(took) == 0 {
		return 0, 0, errors.New("the clients received no frame")
	}
	slices.Sort(took)
	return took[len(took)*99/100], grew, nil
}

// steadyChanges changes ten entities each hundredth of a second. A version is its time in
// nanoseconds. It returns how much the heap grew in the second half.
func steadyChanges(h *live.Hub, e *entities) (grew float64) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	var half uint64
	for n := range steadySeconds * 100 {
		<-tick.C
		for i := range 10 {
			k := live.KeyOf("items", fmt.Sprint((n*10+i)%steadyKeys))
			e.set(k, time.Now().UnixNano())
			h.NotifyLocal(k)
		}
		if n == steadySeconds*50 {
			half = heap()
		}
	}
	return float64(heap())/float64(half) - 1
}

// heap returns the size of the heap after a collection.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapInuse
}

// burst counts the fetches of an entity during a burst of signals.
func burst(b *bench) error {
	const clients, signals, coalesce = 100, 10_000, 100 * time.Millisecond
	e := &entities{versions: map[live.Key]int64{}}
	h, addr, stop, err := hub(e, coalesce)
	if err != nil {
		return err
	}
	newest := make([]atomic.Int64, clients)
	conns, err := listeners(addr, clients, func(int) []string { return []string{"1"} }, func(i int, version int64) { newest[i].Store(version) })
	defer func() {
		stop()
		closeAll(conns)
	}()
	if err != nil {
		return err
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
	at := haveNewest(newest, signals)
	took := time.Since(start)
	most := int64(took/coalesce) + 2
	b.add(row{measure: "fetches for 10,000 webhooks for one entity, 100 clients, against one per 100 ms", value: float64(e.fetches.Load()) / float64(most), unit: times, goal: atMost(1),
		also: "every client at the newest", held: at == clients},
		"%d fetches in %v, %d of %d clients at the newest", e.fetches.Load(), took.Round(time.Millisecond), at, clients)
	return nil
}

// haveNewest waits until all clients have a version, at most five seconds, and returns how many
// have it.
func haveNewest(newest []atomic.Int64, version int64) (at int) {
	for deadline := time.Now().Add(5 * time.Second); at < len(newest) && time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		at = 0
		for i := range newest {
			if newest[i].Load() == version {
				at++
			}
		}
	}
	return at
}
