package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/headgate/headgate/internal/bus/localbus"
	"github.com/headgate/headgate/internal/store/sqlitestore"
)

// ingest measures durable ingest beside what it cannot be faster than, a synced append to one
// file, and beside a peer.
func ingest(b *bench) error {
	dir, err := os.MkdirTemp("", "headgate-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for _, kind := range []struct {
		name   string
		path   func(int) string
		target float64
	}{{"the window never completes", oneSided, 0.75}, {"two endpoints in turn, messages are published", alternating, 0.55}} {
		if err := besideAppends(b, dir, kind.name, kind.path, kind.target); err != nil {
			return err
		}
	}
	return besideJetStream(b, dir)
}

// empty is a handler that only reads the body.
func empty(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }

// serveStore serves a new embedded store in a file of the folder, and warms it up.
func (b *bench) serveStore(dir, file string, path func(int) string, conns int) (base string, stop func(), err error) {
	st, err := sqlitestore.Open(b.ctx, filepath.Join(dir, file))
	if err != nil {
		return "", nil, err
	}
	if base, stop, err = serve(st, localbus.New(topic)); err != nil {
		return "", nil, err
	}
	if _, err = load(base, b.events/10, conns, path); err != nil {
		stop()
	}
	return base, stop, err
}

func besideAppends(b *bench, dir, name string, path func(int) string, target float64) error {
	const conns = 64
	base, stop, err := b.serveStore(dir, "appends"+strconv.Itoa(len(b.rows))+".db", path, conns)
	if err != nil {
		return err
	}
	defer stop()
	f, err := os.Create(filepath.Join(dir, "appends"))
	if err != nil {
		return err
	}
	defer f.Close()
	appends := newAppender(f)
	floorBase, stopFloor, err := listen(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = appends.do(body)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}))
	if err != nil {
		return err
	}
	defer stopFloor()
	floor, err := load(floorBase, b.events, conns, path)
	if err != nil {
		return err
	}
	got, err := load(base, b.events, conns, path)
	if err != nil {
		return err
	}
	ratio := got.rate / floor.rate
	b.add(row{measure: "durable ingest, embedded, 64 connections, against a handler that appends the same bodies to one file and syncs it; " + name, value: ratio, unit: times, goal: atLeast(target)},
		"%.2f (%.0f/s against %.0f/s; p50 %v against %v)", ratio, got.rate, floor.rate, got.p50.Round(10*time.Microsecond), floor.p50.Round(10*time.Microsecond))
	if target < 0.75 {
		return nil
	}
	return besideOneAppend(b, base, f)
}

// besideOneAppend measures one connection, and one synced append after the other in turn with it.
func besideOneAppend(b *bench, base string, f *os.File) error {
	emptyBase, stop, err := listen(http.HandlerFunc(empty))
	if err != nil {
		return err
	}
	defer stop()
	const rounds = 10
	n := b.size(200, 50)
	var appends, ingests, answers []time.Duration
	for range rounds {
		for range n {
			at := time.Now()
			if err := writeSynced(f, body); err != nil {
				return err
			}
			appends = append(appends, time.Since(at))
		}
		got, err := load(base, n, 1, oneSided)
		if err != nil {
			return err
		}
		answer, err := load(emptyBase, n, 1, oneSided)
		if err != nil {
			return err
		}
		ingests, answers = append(ingests, got.p50), append(answers, answer.p50)
	}
	for _, l := range [][]time.Duration{appends, ingests, answers} {
		slices.Sort(l)
	}
	floor, p50 := appends[len(appends)/2], ingests[rounds/2]
	ratio := float64(p50) / float64(floor)
	b.add(row{measure: "p50 of an ingest, embedded, one connection, against one synced append", value: ratio, unit: times, goal: atMost(1.5)},
		"%.2f× (%v against %v; an empty handler answers in %v)", ratio, p50.Round(time.Microsecond), floor.Round(time.Microsecond), answers[rounds/2].Round(time.Microsecond))
	return nil
}

// besideJetStream measures ingest over HTTP beside the file store of NATS JetStream, which is a
// program of its own (jetstream/main.go).
func besideJetStream(b *bench, dir string) error {
	const conns = 64
	program := filepath.Join(dir, "jetstream")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir = filepath.Join("internal", "bench", "jetstream")
	if _, err := b.output(build); err != nil {
		return fmt.Errorf("build jetstream: %w", err)
	}
	out, err := b.output(exec.Command(program, "-publishers", strconv.Itoa(conns), "-events", strconv.Itoa(b.events), "-size", strconv.Itoa(len(body))))
	if err != nil {
		return fmt.Errorf("jetstream: %w", err)
	}
	var peer struct{ Rate, P50 float64 }
	if err := json.Unmarshal(out, &peer); err != nil {
		return fmt.Errorf("jetstream: %w", err)
	}
	base, stop, err := b.serveStore(dir, "peer.db", oneSided, conns)
	if err != nil {
		return err
	}
	defer stop()
	got, err := load(base, b.events, conns, oneSided)
	if err != nil {
		return err
	}
	ratio := got.rate / peer.Rate
	b.add(row{measure: "durable ingest over HTTP, embedded, 64 connections, against 64 publishers to NATS JetStream's file store, sync always", value: ratio, unit: times, goal: atLeast(1)},
		"%.2f× (%.0f/s against %.0f/s; p50 %v against %v)", ratio, got.rate, peer.Rate,
		got.p50.Round(10*time.Microsecond), (time.Duration(peer.P50) * time.Microsecond).Round(10*time.Microsecond))
	return nil
}
