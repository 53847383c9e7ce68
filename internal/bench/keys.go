package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/app"
	"github.com/headgate/headgate/internal/bus/localbus"
	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/store/sqlitestore"
)

const (
	correlated = `,"correlation":{"key":"event.body.k"}`
	bothPlain  = `{"eventKey":"a"},{"eventKey":"b"}`
	// bothChosen has every expression that an endpoint may have.
	bothChosen = `{"eventKey":"a","filter":"event.body.n >= 0","distinct":"event.body.v"},{"eventKey":"b","filter":"event.body.n >= 0","distinct":"event.body.v"}`
)

// configured returns the configuration of a service with these fields and a window of ten
// hours.
func configured(endpoints, more string) (*config.Config, error) {
	return config.Parse(fmt.Appendf(nil, `{"serviceName":"bench","trigger":{"type":"window","observationPeriod":36000},
		"endpoints":[%s],"targetPubSub":{"topic":%q}%s}`, endpoints, topic, more))
}

// keyed returns a body of the same size as body that names a correlation key.
func keyed(key string, n int) []byte {
	text := fmt.Sprintf(`{"k":%q,"n":%d,"v":"v%d","pad":"`, key, n, n)
	return []byte(text + strings.Repeat("x", max(0, len(body)-len(text)-2)) + `"}`)
}

// embeddedService is a service on an embedded store of its own.
type embeddedService struct {
	base string
	app  *app.App
	st   *sqlitestore.Store
	stop func()
}

func serveEmbedded(ctx context.Context, endpoints, more string) (s *embeddedService, err error) {
	cfg, err := configured(endpoints, more)
	if err != nil {
		return nil, err
	}
	return serveEmbeddedConfig(ctx, cfg)
}

func serveEmbeddedConfig(ctx context.Context, cfg *config.Config) (s *embeddedService, err error) {
	dir, err := os.MkdirTemp("", "headgate-bench")
	if err != nil {
		return nil, err
	}
	s = &embeddedService{}
	if s.st, err = sqlitestore.Open(ctx, filepath.Join(dir, "bench.db")); err != nil {
		return nil, err
	}
	var stop func()
	s.app, s.base, stop, err = serveConfig(cfg, s.st, localbus.New(topic))
	s.stop = func() { stop(); _ = os.RemoveAll(dir) }
	return s, err
}

// open opens windows of this many keys, by one event each.
func open(ctx context.Context, st store.Store, from, to int) error {
	return fill(ctx, st, from, to, func(i int) string { return fmt.Sprint("open-", i) })
}

// fill stores events that wait at the first endpoint, each at the key of its number; "" is an
// event of a service without keys.
func fill(ctx context.Context, st store.Store, from, to int, key func(i int) string) error {
	now := time.Now().UTC().Truncate(time.Microsecond)
	writers, ctx := errgroup.WithContext(ctx)
	writers.SetLimit(16) // these share transactions
	for from < to {
		n := min(to-from, 500)
		list := make([]store.Append, n)
		for i := range list {
			key := key(from + i)
			list[i] = store.Append{
				Event:    event.Event{ID: event.NewID(now), Key: "a", ReceivedAt: now, Meta: event.Meta{Method: "POST"}, Content: keyed(key, i)},
				Endpoint: store.Endpoint{Service: "bench", Key: "a", Shards: 1}, Attempt: event.RandomID()[:16],
				ExpireAt: now.Add(48 * time.Hour),
			}
			if key != "" {
				list[i].Place = &store.Place{Key: key, At: now}
			}
		}
		writers.Go(func() error {
			for _, r := range st.Append(ctx, list) {
				if r.Err != nil {
					return r.Err
				}
			}
			return nil
		})
		from += n
	}
	return writers.Wait()
}

// keys measures what correlation keys and expressions cost on the embedded store.
func keys(b *bench) error {
	if err := openKeys(b); err != nil {
		return err
	}
	return keyRates(b)
}

// openKeys measures an ingest beside few and beside many open keys, and a sweep.
func openKeys(b *bench) error {
	var services [2]*embeddedService
	var took [2][]time.Duration
	for i, n := range []int{100, 100_000} {
		s, err := serveEmbedded(b.ctx, bothPlain, correlated)
		if err != nil {
			return err
		}
		defer s.stop()
		if err := open(b.ctx, s.st, 0, n); err != nil {
			return err
		}
		services[i] = s
	}
	const rounds, each = 40, 50
	var medians [2]time.Duration
	for round := range rounds {
		for i, s := range services {
			fresh := func(e string) func(int) (string, []byte) {
				return func(n int) (string, []byte) {
					return "/event/" + e, keyed(fmt.Sprintf("fresh-%d-%d", round, n), n)
				}
			}
			got, err := loadWith(s.base, each, 1, fresh("a"))
			if err != nil {
				return err
			}
			took[i] = append(took[i], got.p50)
			if _, err := loadWith(s.base, each, 1, fresh("b")); err != nil { // complete, so that the number of open keys stays
				return err
			}
		}
	}
	for i := range took {
		slices.Sort(took[i])
		medians[i] = took[i][rounds/2]
	}
	ratio := float64(medians[1]) / float64(medians[0])
	b.add(row{measure: "p50 of an ingest with 100,000 open keys against 100, embedded, one connection", value: ratio, unit: times, goal: atMost(1.2)},
		"%.2f× (%v against %v)", ratio, medians[1].Round(time.Microsecond), medians[0].Round(time.Microsecond))

	var sweeps []time.Duration
	for range 9 {
		at := time.Now()
		if err := post(client, services[1].base+"/sweep"); err != nil {
			return err
		}
		sweeps = append(sweeps, time.Since(at))
	}
	slices.Sort(sweeps)
	b.add(row{measure: "a sweep with 100,000 open keys and none due, embedded, median of 9", value: milliseconds(sweeps[4]), unit: "ms", goal: atMost(20)},
		"%v (slowest %v)", sweeps[4].Round(100*time.Microsecond), sweeps[8].Round(100*time.Microsecond))
	return nil
}

// keyRates measures rates of ingest against those of a service without keys.
func keyRates(b *bench) error {
	const conns, rounds = 64, 5
	inTurn := func(key func(n, i int) string) func(n, i int) (string, []byte) {
		return func(n, i int) (string, []byte) { return alternating(i), keyed(key(n, i), n+i) }
	}
	one := inTurn(func(int, int) string { return "one" })
	// Each of 10,000 keys in turn gets an event of a, and an event of b when 1,000 others have
	// had theirs. So a message has two events, and about 1,000 keys are open.
	manyKeys := func(n, i int) (string, []byte) {
		i += n
		return alternating(i), keyed(fmt.Sprint("k", (i/2+i%2*9000)%10_000), i)
	}
	for _, c := range []struct {
		name, endpoints, more string
		request               func(n, i int) (string, []byte) // of the service and of the one that it is compared with
		target                float64
	}{
		{"on one key", bothPlain, correlated, one, 0.8},
		{"over 10,000 keys in turn", bothPlain, correlated, manyKeys, 0.7},
		{"with a filter, a key and a distinct value; the windows never complete", bothChosen, correlated, func(n, i int) (string, []byte) {
			return oneSided(i), keyed(fmt.Sprint("k", (n+i)%10_000), n+i)
		}, 0.8},
	} {
		plain, err := serveEmbedded(b.ctx, bothPlain, "")
		if err != nil {
			return err
		}
		defer plain.stop()
		s, err := serveEmbedded(b.ctx, c.endpoints, c.more)
		if err != nil {
			return err
		}
		defer s.stop()
		var ratios, rates, floors []float64
		sent, n := 0, b.events/2
		for round := range rounds + 1 {
			request := func(i int) (string, []byte) { return c.request(sent, i) }
			floor, err := loadWith(plain.base, n, conns, request)
			if err != nil {
				return err
			}
			got, err := loadWith(s.base, n, conns, request)
			if err != nil {
				return err
			}
			if sent += n; round > 0 { // the first warms up
				ratios, rates, floors = append(ratios, got.rate/floor.rate), append(rates, got.rate), append(floors, floor.rate)
			}
		}
		for _, l := range [][]float64{ratios, rates, floors} {
			slices.Sort(l)
		}
		ratio := ratios[rounds/2]
		b.add(row{measure: "durable ingest, two endpoints, embedded, 64 connections, against the same of a service without keys, " + c.name + "; median of 5",
			value: ratio, unit: times, goal: atLeast(c.target)}, "%.2f (%.0f/s against %.0f/s)", ratio, rates[rounds/2], floors[rounds/2])
	}
	return nil
}
