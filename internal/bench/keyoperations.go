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
	conn, err := emulator.DialFirestore(os.Getenv("FIRESTORE_EMULATOR_HOST"),
		grpc.WithChainUnaryInterceptor(ops.unary), grpc.WithChainStreamInterceptor(ops.stream))
	if err != nil {
		return err
	}
	project := "bench-" + event.RandomID()[:8]
	st, err := firestorestore.Open(b.ctx, firestorestore.Options{Project: project, ClientOptions: []option.ClientOption{option.WithGRPCConn(conn)}})
	if err != nil {
		return err
	}
	ps, err := pubsubbus.Open(b.ctx, pubsubbus.Options{Project: "headgate-bench", CreateTopics: true})
	if err != nil {
		return err
	}
	if err := ps.Ensure(b.ctx, topic); err != nil {
		return err
	}
	cfg, err := anchored(bothPlain, 36000)
	if err != nil {
		return err
	}
	_, base, stop, err := serveConfig(cfg, st, ps)
	if err != nil {
		return err
	}
	defer stop()

	// A request looks for what is due every few seconds, whatever the number of events. The
	// median of small batches leaves that out.
	const n, batches = 10, 21
	batch := func(round string) (counts, error) {
		var all []counts
		for k := range batches {
			c, err := ops.during(func() error {
				_, err := loadWith(base, n, 1, func(i int) (string, []byte) {
					return alternating(i), keyed(fmt.Sprint(round, "-", k, "-", i/2), i)
				})
				return err
			})
			if err != nil {
				return c, err
			}
			all = append(all, c)
		}
		slices.SortFunc(all, func(a, b counts) int { return cmp.Compare(a.reads+a.writes, b.reads+b.writes) })
		return all[batches/2], nil
	}
	if _, err := batch("warm"); err != nil {
		return err
	}
	if err := open(b.ctx, st, 0, 100); err != nil {
		return err
	}
	few, err := batch("few")
	if err != nil {
		return err
	}
	if err := open(b.ctx, st, 100, openOnFirestore); err != nil {
		return err
	}
	many, err := batch("many")
	if err != nil {
		return err
	}
	const messages = n / 2
	writes := func(c counts) float64 { return (float64(c.writes) - 2*messages) / n }
	b.add(row{measure: fmt.Sprintf("Firestore writes per event with a key, two endpoints, two events a message, %d open keys (100)", openOnFirestore),
		value: writes(many), unit: operations, goal: atMost(2), also: "≤ 1 delete, ≤ 2 reads, the same",
		held: many.per(n, many.deletes) <= 1 && many.per(n, many.reads) <= 2 && many == few},
		"%.2f writes, %.2f deletes, %.2f reads (%.2f, %.2f, %.2f); and 2 writes per message", writes(many), many.per(n, many.deletes), many.per(n, many.reads),
		writes(few), few.per(n, few.deletes), few.per(n, few.reads))

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
