package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/headgate/headgate/internal/bus/localbus"
	"github.com/headgate/headgate/internal/store/sqlitestore"
)

// embedded measures durable ingest. Its floor is an empty net/http handler, which the same
// client calls in the same way.
func embedded(b *bench) error {
	const conns = 64
	floorBase, stopFloor, err := listen(http.HandlerFunc(empty))
	if err != nil {
		return err
	}
	defer stopFloor()
	for _, kind := range []struct {
		name   string
		path   func(int) string
		target float64
	}{{"the window never completes", oneSided, 0.5}, {"two endpoints in turn, messages are published", alternating, 0.4}} {
		dir, err := os.MkdirTemp("", "headgate-bench")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		st, err := sqlitestore.Open(b.ctx, filepath.Join(dir, "bench.db"))
		if err != nil {
			return err
		}
		base, stop, err := serve(st, localbus.New(topic))
		if err != nil {
			return err
		}
		defer stop()
		if _, err := load(base, b.events/10, conns, kind.path); err != nil { // warm up
			return err
		}
		floor, err := load(floorBase, b.events, conns, kind.path)
		if err != nil {
			return err
		}
		got, err := load(base, b.events, conns, kind.path)
		if err != nil {
			return err
		}
		ratio := got.rate / floor.rate
		b.add(row{measure: "durable ingest, embedded, 64 connections, against an empty handler; " + kind.name, value: ratio, unit: times, goal: atLeast(kind.target)},
			"%.2f (%.0f/s against %.0f/s; p50 %v)", ratio, got.rate, floor.rate, got.p50.Round(10*time.Microsecond))
	}
	return nil
}

// process measures the size, the start and the memory of the real binary.
func process(b *bench) error {
	bin, err := b.binary()
	if err != nil {
		return err
	}
	info, err := os.Stat(bin)
	if err != nil {
		return err
	}
	mib := float64(info.Size()) / (1 << 20)
	b.peak = noProcess
	b.add(row{measure: "static binary; the image adds a base of 2–3 MiB", value: mib, unit: mebibytes, goal: atMost(32)}, "%.1f MiB", mib)
	if err := starts(b); err != nil {
		return err
	}
	events := b.size(100_000, 20_000)
	return memoryAfter(b, events, fmt.Sprintf("peak memory after %d events, embedded", events))
}

// starts measures the time until the real binary answers, with an empty store.
func starts(b *bench) error {
	var best time.Duration
	for range 5 {
		dir, err := os.MkdirTemp("", "start")
		if err != nil {
			return err
		}
		began := time.Now()
		p, err := b.serveBinary(dir)
		if err != nil {
			return err
		}
		if took := time.Since(began); best == 0 || took < best {
			best = took
		}
		_, b.peak, err = memory(p.pid())
		p.stop()
		if err = errors.Join(err, os.RemoveAll(dir)); err != nil {
			return err
		}
	}
	b.add(row{measure: "start to first answer, embedded, best of 5", value: milliseconds(best), unit: "ms", goal: atMost(15)}, "%v", best.Round(100*time.Microsecond))
	return nil
}

// million measures the memory of the real binary after a million events.
func million(b *bench) error {
	return memoryAfter(b, 1_000_000, "peak memory after 1,000,000 events, embedded")
}

// memoryAfter measures the memory of the real binary after events that complete windows.
func memoryAfter(b *bench, events int, measure string) error {
	dir, err := os.MkdirTemp("", "memory")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	p, err := b.serveBinary(dir)
	if err != nil {
		return err
	}
	defer p.stop()
	got, err := load(p.base, events, 64, func(i int) string { return [...]string{"/event/entry1", "/event/entry2"}[i%2] })
	if err != nil {
		return err
	}
	rss, peak, err := memory(p.pid())
	if err != nil {
		return err
	}
	b.peak = peak
	b.add(row{measure: measure, value: peak, unit: megabytes, goal: atMost(80)}, "%.0f MB (at the end %.0f MB; %.0f events/s)", peak, rss, got.rate)
	return nil
}
