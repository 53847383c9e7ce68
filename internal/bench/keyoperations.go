package main

import (
	"cmp"
	"fmt"
	"os"
	"slices"

	"google.golang.org/api/option"
	"google.golang.org/grpc"

	"github.com/headgate/headgate/internal/bus/pubsubbus"
	"github.com/headgate/headgate/internal/emulator"
	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/store/firestorestore"
)

// openOnFirestore is the number of open keys. The emulator scans what production finds by an
// index, so it is too slow for more; the number of operations does not depend on it.
const openOnFirestore = 5000

// keyOperations counts the operations that Firestore bills for a service with correlation
// keys, beside few and beside many open keys.
func keyOperations(b *bench) error {
	var ops counter
	st, base, stop, err := serveKeys(b, &ops)
	if err != nil {
		return err
	}
	defer stop()

	if _, err := ops.batch(base, "warm"); err != nil {
		return err
	}
	if err := open(b.ctx, st, 0, 100); err != nil {
		return err
	}
	few, err := ops.batch(base, "few")
	if err != nil {
		return err
	}
	if err := open(b.ctx, st, 100, openOnFirestore); err != nil {
		return err
	}
	many, err := ops.batch(base, "many")
	if err != nil {
		return err
	}
	const n, messages = keyBatch, keyBatch / 2
	writes := func(c counts) float64 { return (float64(c.writes) - 2*messages) / n }
	b.add(row{measure: fmt.Sprintf("Firestore writes per event with a key, two endpoints, two events a message, %d open keys (100)", openOnFirestore),
		value: writes(many), unit: operations, goal: atMost(2), also: "≤ 1 delete, ≤ 2 reads, the same",
		held: many.per(n, many.deletes) <= 1 && many.per(n, many.reads) <= 2 && many == few},
		"%.2f writes, %.2f deletes, %.2f reads (%.2f, %.2f, %.2f); and 2 writes per message", writes(many), many.per(n, many.deletes), many.per(n, many.reads),
		writes(few), few.per(n, few.deletes), few.per(n, few.reads))

	return sweepReads(b, &ops, base)
}

// serveKeys serves a service with correlation keys on the emulators, whose operations are counted.
func serveKeys(b *bench, ops *counter) (st *firestorestore.Store, base string, stop func(), err error) {
	conn, err := emulator.DialFirestore(os.Getenv("FIRESTORE_EMULATOR_HOST"),
		grpc.WithChainUnaryInterceptor(ops.unary), grpc.WithChainStreamInterceptor(ops.stream))
	if err != nil {
		return nil, "", nil, err
	}
	project := "bench-" + event.RandomID()[:8]
	st, err = firestorestore.Open(b.ctx, firestorestore.Options{Project: project, ClientOptions: []option.ClientOption{option.WithGRPCConn(conn)}})
	if err != nil {
		return nil, "", nil, err
	}
	ps, err := pubsubbus.Open(b.ctx, pubsubbus.Options{Project: "headgate-bench", CreateTopics: true})
	if err != nil {
		return nil, "", nil, err
	}
	if err := ps.Ensure(b.ctx, topic); err != nil {
		return nil, "", nil, err
	}
	cfg, err := anchored(bothPlain, 36000)
	if err != nil {
		return nil, "", nil, err
	}
	_, base, stop, err = serveConfig(cfg, st, ps)
	return st, base, stop, err
}

// keyBatch is the number of events in a batch.
const keyBatch = 10

// batch returns the operations of a batch of events, of which each two have a key of their own. A
// request looks for what is due every few seconds, whatever the number of events. The median of
// small batches leaves that out.
func (c *counter) batch(base, round string) (counts, error) {
	const batches = 21
	var all []counts
	for k := range batches {
		one, err := c.during(func() error {
			_, err := loadWith(base, keyBatch, 1, func(i int) (string, []byte) {
				return alternating(i), keyed(fmt.Sprint(round, "-", k, "-", i/2), i)
			})
			return err
		})
		if err != nil {
			return one, err
		}
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b counts) int { return cmp.Compare(a.reads+a.writes, b.reads+b.writes) })
	return all[batches/2], nil
}

// sweepReads counts the reads of a sweep when nothing is due.
func sweepReads(b *bench, ops *counter, base string) error {
	if err := post(client, base+"/sweep"); err != nil { // the first one also settles what the events left
		return err
	}
	sweep, err := ops.during(func() error { return post(client, base+"/check") })
	if err != nil {
		return err
	}
	whole, err := ops.during(func() error { return post(client, base+"/sweep") })
	if err != nil {
		return err
	}
	b.add(row{measure: fmt.Sprintf("reads of a sweep with %d open keys and none due, two endpoints, Firestore", openOnFirestore),
		value: float64(whole.reads), unit: operations, goal: atMost(10)},
		"%d, of which %d look for windows", whole.reads, sweep.reads)
	return nil
}
