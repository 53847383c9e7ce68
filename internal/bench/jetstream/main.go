// Command jetstream measures the file store of NATS JetStream, as a peer of Headgate's ingest.
// The server runs in this process and syncs its file before it acknowledges. Each publisher has
// a connection of its own, and waits for the acknowledgement of a message before it sends the
// next one. The command prints the rate and the latencies as JSON.
//
// It is a module of its own, so that the server does not become a dependency of Headgate.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"
)

func main() {
	publishers := flag.Int("publishers", 64, "publishers at the same time")
	events := flag.Int("events", 20_000, "messages of the measured run; a tenth of it warms up")
	size := flag.Int("size", 300, "bytes of a message")
	flag.Parse()
	if err := run(context.Background(), *publishers, *events, *size); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, publishers, events, size int) (err error) {
	dir, err := os.MkdirTemp("", "jetstream-bench")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true, JetStream: true, StoreDir: dir, SyncAlways: true,
	})
	if err != nil {
		return err
	}
	s.Start()
	defer func() { s.Shutdown(); s.WaitForShutdown() }()
	if !s.ReadyForConnections(30 * time.Second) {
		return errors.New("the server is not ready")
	}
	streams := make([]jetstream.JetStream, publishers)
	for i := range streams {
		conn, err := nats.Connect(s.ClientURL())
		if err != nil {
			return err
		}
		defer conn.Close()
		if streams[i], err = jetstream.New(conn); err != nil {
			return err
		}
	}
	if _, err := streams[0].CreateStream(ctx, jetstream.StreamConfig{Name: "events", Subjects: []string{"events"}, Storage: jetstream.FileStorage}); err != nil {
		return err
	}
	body := bytes.Repeat([]byte("x"), size)
	if _, _, err := publish(ctx, streams, body, max(events/10, 1)); err != nil {
		return err
	}
	took, latencies, err := publish(ctx, streams, body, events)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{
		"rate": float64(events) / took.Seconds(), "p50": latencies[events/2].Microseconds(), "p99": latencies[events*99/100].Microseconds(),
	})
}

// publish publishes the body n times, and returns the latencies in ascending order.
func publish(ctx context.Context, streams []jetstream.JetStream, body []byte, n int) (took time.Duration, latencies []time.Duration, err error) {
	latencies = make([]time.Duration, n)
	var next atomic.Int64
	var group errgroup.Group
	began := time.Now()
	for _, js := range streams {
		group.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return nil
				}
				at := time.Now()
				if _, err := js.Publish(ctx, "events", body); err != nil {
					return err
				}
				latencies[i] = time.Since(at)
			}
		})
	}
	err = group.Wait()
	took = time.Since(began)
	slices.Sort(latencies)
	return took, latencies, err
}
