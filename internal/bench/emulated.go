package main

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"cloud.google.com/go/firestore"
	"cloud.google.com/go/firestore/apiv1/firestorepb"
	"golang.org/x/sync/errgroup"
	"google.golang.org/api/option"
	"google.golang.org/grpc"

	"github.com/headgate/headgate/internal/bus/pubsubbus"
	"github.com/headgate/headgate/internal/emulator"
	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/store/firestorestore"
)

// emulated serves on the emulators, in a new Firestore project.
func emulated(b *bench, opts ...option.ClientOption) (base string, stop func(), err error) {
	project := "bench-" + event.RandomID()[:8]
	st, err := firestorestore.Open(b.ctx, firestorestore.Options{Project: project, ClientOptions: opts})
	if err != nil {
		return "", nil, err
	}
	ps, err := pubsubbus.Open(b.ctx, pubsubbus.Options{Project: "headgate-bench", CreateTopics: true})
	if err != nil {
		return "", nil, err
	}
	if err := ps.Ensure(b.ctx, topic); err != nil {
		return "", nil, err
	}
	return serve(st, ps)
}

// warmUp lets the emulators, which are Java programs, take events until the JVM has compiled them.
// What follows is measured in another, empty project.
func (b *bench) warmUp() error {
	if b.warm {
		return nil
	}
	base, stop, err := emulated(b)
	if err != nil {
		return err
	}
	_, err = load(base, 2*b.events, 64, alternating)
	stop()
	b.warm = err == nil
	return err
}

// waiting measures whether the cost of an event grows with the number of waiting events.
func waiting(b *bench) error {
	base, stop, err := emulated(b)
	if err != nil {
		return err
	}
	defer stop()
	at := map[int]result{}
	sent := 0
	for _, n := range []int{100, 4000} {
		if _, err := load(base, n-sent, 32, oneSided); err != nil {
			return err
		}
		if at[n], err = load(base, 200, 1, oneSided); err != nil {
			return err
		}
		sent = n + 200
	}
	ratio := float64(at[4000].p50) / float64(at[100].p50)
	b.add(row{measure: "p50 of an ingest with 4,000 events waiting against 100 waiting, Firestore emulator, one connection", value: ratio, unit: times, goal: atMost(1.2)},
		"%.2f× (%v against %v)", ratio, at[4000].p50.Round(10*time.Microsecond), at[100].p50.Round(10*time.Microsecond))
	return nil
}

// concurrent measures the rate of synchronous ingest, and checks that every event is in
// exactly one message.
func concurrent(b *bench) error {
	if err := b.warmUp(); err != nil {
		return err
	}
	for _, c := range []struct {
		conns  int
		target float64
		bare   goal
	}{{16, 1000, statedMore()}, {64, 2500, atLeast(0.5)}} {
		base, stop, err := emulated(b)
		if err != nil {
			return err
		}
		defer stop()
		n := max(b.events/4, 1000)
		if _, err := load(base, n/5, c.conns, alternating); err != nil { // warm up
			return err
		}
		bare, err := bareCommits(b.ctx, n, c.conns)
		if err != nil {
			return err
		}
		got, err := load(base, n, c.conns, alternating)
		if err != nil {
			return err
		}
		if err := post(client, base+"/trigger"); err != nil { // release the events that still wait
			return err
		}
		messages, in, err := census(base)
		if err != nil {
			return err
		}
		doubled := 0
		for _, times := range in {
			if times > 1 {
				doubled++
			}
		}
		lost := n + n/5 - len(in)
		b.add(row{measure: fmt.Sprintf("concurrent ingest, two endpoints in turn, synchronous, both emulators, %d connections", c.conns),
			value: got.rate, unit: "/s", goal: atLeast(c.target), also: "each event in one message", held: doubled == 0 && lost == 0},
			"%.0f/s, p50 %v; %d events in %d messages, %d doubled, %d lost", got.rate, got.p50.Round(100*time.Microsecond), len(in), messages, doubled, lost)
		b.add(row{measure: fmt.Sprintf("the same ingest against bare commits of two documents by %d clients", c.conns), value: got.rate / bare, unit: times, goal: c.bare},
			"%.2f (%.0f/s against %.0f/s)", got.rate/bare, got.rate, bare)
	}
	return nil
}

// bareCommits returns the rate of commits of two new documents each, made by as many clients
// one after the other.
func bareCommits(ctx context.Context, n, clients int) (rate float64, err error) {
	fs, err := firestore.NewClient(ctx, "bench-"+event.RandomID()[:8])
	if err != nil {
		return 0, err
	}
	defer fs.Close()
	var began time.Time
	for _, count := range []int{n / 5, n} { // the first warms up
		var next atomic.Int64
		began = time.Now()
		eg, ctx := errgroup.WithContext(ctx)
		for range clients {
			eg.Go(func() error {
				for next.Add(1) <= int64(count) {
					id := event.RandomID()
					batch := fs.Batch() //nolint:staticcheck // one commit, and no bulk writer
					batch.Create(fs.Collection("event").Doc(id), map[string]any{"content": body})
					batch.Create(fs.Collection("pointer").Doc(id), map[string]any{"at": began})
					if _, err := batch.Commit(ctx); err != nil {
						return err
					}
				}
				return nil
			})
		}
		if err := eg.Wait(); err != nil {
			return 0, err
		}
	}
	return float64(n) / time.Since(began).Seconds(), nil
}

// countOperations counts the operations that Firestore bills.
func countOperations(b *bench) error {
	var ops counter
	conn, err := emulator.DialFirestore(os.Getenv("FIRESTORE_EMULATOR_HOST"),
		grpc.WithChainUnaryInterceptor(ops.unary), grpc.WithChainStreamInterceptor(ops.stream))
	if err != nil {
		return err
	}
	base, stop, err := emulated(b, option.WithGRPCConn(conn))
	if err != nil {
		return err
	}
	defer stop()
	const n = 1000
	if _, err := load(base, 100, 1, oneSided); err != nil {
		return err
	}
	at100, err := ops.during(func() error { _, err := load(base, 100, 1, oneSided); return err })
	if err != nil {
		return err
	}
	if _, err := load(base, 3900, 64, oneSided); err != nil {
		return err
	}
	at4000, err := ops.during(func() error { _, err := load(base, 100, 1, oneSided); return err })
	if err != nil {
		return err
	}
	b.add(row{measure: "Firestore writes per event that completes nothing, 4,000 waiting (100 waiting)", value: at4000.per(100, at4000.writes), unit: operations, goal: atMost(2),
		also: "no delete, reads the same", held: at4000.deletes == 0 && at4000.reads <= at100.reads},
		"%.2f writes, %.2f reads (%.2f writes, %.2f reads)", at4000.per(100, at4000.writes), at4000.per(100, at4000.reads), at100.per(100, at100.writes), at100.per(100, at100.reads))

	if err := post(client, base+"/reset"); err != nil {
		return err
	}
	before, _, err := census(base)
	if err != nil {
		return err
	}
	pair, err := ops.during(func() error { _, err := load(base, n, 1, alternating); return err })
	if err != nil {
		return err
	}
	after, _, err := census(base)
	if err != nil {
		return err
	}
	messages := float64(after - before)
	perEvent := (float64(pair.writes) - 2*messages) / n
	b.add(row{measure: "Firestore writes per event that is published, one connection, two events a message", value: perEvent, unit: operations,
		goal: atMost(2.01), // an endpoint's bound is written once an hour
		also: "≤ 1 delete", held: pair.per(n, pair.deletes) <= 1},
		"%.2f writes, %.2f deletes, %.2f reads; and 2 writes per message (%.0f)", perEvent, pair.per(n, pair.deletes), pair.per(n, pair.reads), messages)
	return nil
}

// counter counts billed operations at the gRPC layer.
type counter struct{ w, d, r atomic.Int64 }

type counts struct{ writes, deletes, reads int64 }

func (c counts) per(n int, ops int64) float64 { return float64(ops) / float64(n) }

func (c *counter) during(f func() error) (counts, error) {
	w, d, r := c.w.Load(), c.d.Load(), c.r.Load()
	err := f()
	return counts{c.w.Load() - w, c.d.Load() - d, c.r.Load() - r}, err
}

func (c *counter) unary(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	if commit, ok := req.(*firestorepb.CommitRequest); ok {
		for _, w := range commit.GetWrites() {
			if w.GetDelete() != "" {
				c.d.Add(1)
			} else {
				c.w.Add(1)
			}
		}
	}
	return invoke(ctx, method, req, reply, cc, opts...)
}

func (c *counter) stream(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	s, err := streamer(ctx, desc, cc, method, opts...)
	return &countedStream{ClientStream: s, c: c}, err
}

// countedStream counts each returned document as a read. Like Firestore, it counts a query
// without a result as one read.
type countedStream struct {
	grpc.ClientStream
	c    *counter
	docs int64
	done bool
}

func (s *countedStream) RecvMsg(m any) error {
	err := s.ClientStream.RecvMsg(m)
	if err != nil {
		if !s.done {
			s.done = true
			s.c.r.Add(max(s.docs, 1))
		}
		return err
	}
	switch m := m.(type) {
	case *firestorepb.RunQueryResponse:
		if m.GetDocument() != nil {
			s.docs++
		}
	case *firestorepb.BatchGetDocumentsResponse:
		s.docs++
	}
	return nil
}
