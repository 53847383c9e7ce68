package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/headgate/headgate/internal/store/sqlitestore"
)

// dimension is something that may grow, and should not make an event dearer.
type dimension struct {
	name, unit string
	sizes      []int
	services   func(size int) int
	more       string // further fields of each service
	fill       func(ctx context.Context, st *sqlitestore.Store, size int) error
	request    func(round, i, size int) (path string, body []byte)
}

func one(int) int { return 1 }

// scale measures whether an event costs the same whatever waits beside it, and however many
// services share the process: the processor time and the store operations of the real binary
// on the embedded store, and the median latency of one connection.
func scale(b *bench) error {
	filled := func(key func(int) string) func(context.Context, *sqlitestore.Store, int) error {
		return func(ctx context.Context, st *sqlitestore.Store, size int) error { return fill(ctx, st, 0, size, key) }
	}
	for _, d := range []dimension{
		{
			name: "events waiting", unit: "waiting", sizes: []int{100, 10_000, b.size(1_000_000, 100_000)}, services: one,
			fill:    filled(func(int) string { return "" }),
			request: func(int, int, int) (string, []byte) { return "/event/a", body },
		},
		{
			name: "open keys", unit: "keys", sizes: []int{100, 10_000, 100_000}, services: one, more: correlated,
			fill: filled(func(i int) string { return fmt.Sprint("open-", i) }),
			request: func(round, i, _ int) (string, []byte) { // each pair completes, so that the number of open keys stays
				return alternating(i), keyed(fmt.Sprintf("fresh-%d-%d", round, i/2), i)
			},
		},
		{
			name: "services in one process", unit: "services", sizes: []int{1, 50, 500}, services: func(size int) int { return size },
			request: func(round, i, size int) (string, []byte) {
				if size == 1 {
					return alternating(i), body
				}
				return fmt.Sprintf("/services/bench%d%s", (round*scaleEach/2+i/2)%size, alternating(i)), body
			},
		},
	} {
		if err := d.measure(b); err != nil {
			return fmt.Errorf("%s: %w", d.name, err)
		}
	}
	return nil
}

// scaleEach is the number of events in a round.
const scaleEach = 50

// measure runs a process for each size, and sends events to each in turn, so that what else the
// machine does meets all alike.
func (d dimension) measure(b *bench) error {
	var all []*scaled
	defer func() {
		for _, s := range all {
			s.stop()
		}
	}()
	for _, size := range d.sizes {
		s, err := d.start(b, size)
		if err != nil {
			return err
		}
		all = append(all, s)
	}
	for round := range b.size(20, 8) + 2 {
		for _, s := range all {
			if err := s.round(round, d); err != nil {
				return err
			}
		}
		if round < 2 { // these warm up
			for _, s := range all {
				s.p50, s.busy, s.ops = nil, nil, nil
			}
		}
	}
	for _, m := range []struct {
		name, unit string
		of         func(*scaled) []float64
	}{
		{"processor time per event", "µs", func(s *scaled) []float64 { return s.busy }},
		{"p50 of one connection", "µs", func(s *scaled) []float64 { return s.p50 }},
		{"store operations per event", "", func(s *scaled) []float64 { return s.ops }},
	} {
		points := make([]point, len(all))
		worst := 0.0
		var words []string
		for i, s := range all {
			points[i] = point{float64(d.sizes[i]), median(m.of(s))}
			worst = max(worst, points[i].Y/points[0].Y)
			words = append(words, fmt.Sprintf("%s%s at %d", figure(points[i].Y), unit(m.unit), d.sizes[i]))
		}
		_, peak, err := memory(all[len(all)-1].pid())
		if err != nil {
			return err
		}
		b.peak = peak
		b.add(row{
			measure: fmt.Sprintf("%s with up to %d %s, against %d, embedded", m.name, d.sizes[len(d.sizes)-1], d.name, d.sizes[0]),
			value:   worst, unit: times, goal: atMost(1.3), points: points, curve: m.name + "/" + d.name,
		}, "%.2f× (%s)", worst, strings.Join(words, ", "))
	}
	return nil
}

func median(list []float64) float64 {
	list = slices.Sorted(slices.Values(list))
	return list[len(list)/2]
}

// scaled is a process of one size, and what was measured of it in each round.
type scaled struct {
	*running
	size           int
	p50, busy, ops []float64 // of an event; the times in microseconds
}

// stored returns a data directory with what the dimension stores at a size. It is made once,
// because a million events take a while; the few events of each run make no difference.
func (d dimension) stored(b *bench, size int) (dir string, err error) {
	name := fmt.Sprint(d.name, size)
	if dir, ok := b.stored[name]; ok {
		return dir, nil
	}
	if dir, err = os.MkdirTemp("", "scale"); err != nil || d.fill == nil {
		return dir, err
	}
	st, err := sqlitestore.Open(b.ctx, filepath.Join(dir, "headgate.db"))
	if err != nil {
		return "", err
	}
	if err := errors.Join(d.fill(b.ctx, st, size), st.Close()); err != nil {
		return "", err
	}
	if b.stored == nil {
		b.stored = make(map[string]string)
	}
	b.stored[name] = dir
	return dir, nil
}

// start starts a process on a filled store.
func (d dimension) start(b *bench, size int) (s *scaled, err error) {
	dir, err := d.stored(b, size)
	if err != nil {
		return nil, err
	}
	p, err := b.serveBinary(dir, "OTEL_METRICS_EXPORTER=prometheus", "CONFIG="+manyServices(d.services(size), d.more))
	return &scaled{running: p, size: size}, err
}

// manyServices returns the configuration of this many services with two endpoints each. A single
// one is named bench.
func manyServices(n int, more string) string {
	var list []string
	for i := range n {
		name := "bench"
		if n > 1 {
			name += strconv.Itoa(i)
		}
		list = append(list, fmt.Sprintf(`{"serviceName":%q,"trigger":{"type":"window","observationPeriod":36000},"endpoints":[%s],"targetPubSub":{"topic":%q}%s}`, name, bothPlain, topic, more))
	}
	return `{"services":[` + strings.Join(list, ",") + `]}`
}

// round sends some events, one after the other.
func (s *scaled) round(round int, d dimension) error {
	before, err := storeOperations(s.base)
	if err != nil {
		return err
	}
	busy, err := processorTime(s.pid())
	if err != nil {
		return err
	}
	got, err := loadWith(s.base, scaleEach, 1, func(i int) (string, []byte) { return d.request(round, i, s.size) })
	if err != nil {
		return err
	}
	after, err := processorTime(s.pid())
	if err != nil {
		return err
	}
	counted, err := storeOperations(s.base)
	if err != nil {
		return err
	}
	s.p50 = append(s.p50, float64(got.p50)/float64(time.Microsecond))
	s.busy = append(s.busy, float64(after-busy)/float64(time.Microsecond)/scaleEach)
	s.ops = append(s.ops, (counted-before)/scaleEach)
	return nil
}

// storeOperations returns how many operations of the store a process has measured, without those
// that only /metrics itself makes, for each service.
func storeOperations(base string) (sum float64, err error) {
	resp, err := http.Get(base + "/metrics")
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if !strings.HasPrefix(lines.Text(), "db_client_operation_duration_seconds_count{") ||
			strings.Contains(lines.Text(), `"Backlog"`) || strings.Contains(lines.Text(), `"Summarize"`) {
			continue
		}
		_, value, _ := strings.Cut(lines.Text(), "} ")
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, lines.Err()
}
