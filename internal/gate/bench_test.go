package gate_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/bus/localbus"
	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/store/sqlitestore"
)

// BenchmarkIngest measures the cost of one event in an embedded store, with one source and
// with many at once.
func BenchmarkIngest(b *testing.B) {
	const topic = "projects/p-1/topics/sync"
	for name, sources := range map[string]int{"one": 1, "many": 64} {
		b.Run(name, func(b *testing.B) {
			cfg, err := config.Parse([]byte(`{"serviceName":"s","trigger":{"type":"window","observationPeriod":600},
				"endpoints":[{"eventKey":"a"},{"eventKey":"b"}],"targetPubSub":{"topic":"` + topic + `"}}`))
			require.NoError(b, err)
			st, err := sqlitestore.Open(b.Context(), filepath.Join(b.TempDir(), "test.db"))
			require.NoError(b, err)
			defer st.Close()
			g := gate.New(cfg.Services[0], gate.Options{Store: st, Bus: localbus.New(topic), Log: slog.New(slog.DiscardHandler), BackgroundCPU: true})
			helper, _ := any(g).(interface{ Help() func() })
			var failed atomic.Int64
			b.SetParallelism(sources)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if helper != nil {
						helper.Help()()
					}
					if _, err := g.Ingest(context.Background(), gate.Incoming{EventKey: "a", Meta: event.Meta{Method: "POST"}, Content: []byte("x")}); err != nil {
						failed.Add(1)
					}
				}
			})
			require.Zero(b, failed.Load())
			require.NoError(b, g.Close(context.Background()))
		})
	}
}
