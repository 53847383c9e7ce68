package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/headgate/headgate/internal/bus/localbus"
	"github.com/headgate/headgate/internal/store/sqlitestore"
)

// embedded measures durable ingest. Its floor is an empty net/http handler, which the same
// client calls in the same way.
func embedded(b *bench) error {
	const conns = 64
	floorBase, stopFloor, err := listen(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
	}))
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
	dir, err := os.MkdirTemp("", "headgate-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	info, err := os.Stat(bin)
	if err != nil {
		return err
	}
	mib := float64(info.Size()) / (1 << 20)
	b.peak = noProcess
	b.add(row{measure: "static binary; the image adds a base of 2–3 MiB", value: mib, unit: mebibytes, goal: atMost(32)}, "%.1f MiB", mib)

	const addr = "127.0.0.1:18979"
	var best time.Duration
	var cmd *exec.Cmd
	defer func() {
		if cmd != nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	}()
	for i := range 5 {
		if cmd != nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
		cmd = exec.Command(bin, "-addr", addr, "-data", filepath.Join(dir, "data"+strconv.Itoa(i)), "-store", "sqlite", "-bus", "local")
		start := time.Now()
		if err := cmd.Start(); err != nil {
			return err
		}
		if err := answers("http://"+addr+"/readyz", start.Add(10*time.Second)); err != nil {
			return err
		}
		if took := time.Since(start); best == 0 || took < best {
			best = took
		}
	}
	if _, b.peak, err = memory(cmd.Process.Pid); err != nil {
		return err
	}
	b.add(row{measure: "start to first answer, embedded, best of 5", value: milliseconds(best), unit: "ms", goal: atMost(15)}, "%v", best.Round(100*time.Microsecond))

	events := b.size(100_000, 20_000)
	path := func(i int) string { return [...]string{"/event/entry1", "/event/entry2"}[i%2] }
	if _, err := load("http://"+addr, events, 64, path); err != nil {
		return err
	}
	rss, peak, err := memory(cmd.Process.Pid)
	if err != nil {
		return err
	}
	b.peak = peak
	b.add(row{measure: fmt.Sprintf("peak memory after %d events, embedded", events), value: peak, unit: megabytes, goal: atMost(80)}, "%.0f MB (at the end %.0f MB)", peak, rss)
	return nil
}

// answers waits until the URL answers with 200.
func answers(url string, deadline time.Time) error {
	for time.Now().Before(deadline) {
		if resp, err := http.Get(url); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		time.Sleep(2 * time.Millisecond)
	}
	return errors.New(url + " did not answer with 200 in time")
}
