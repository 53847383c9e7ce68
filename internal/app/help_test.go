package app

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/bus/localbus"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/store/memorystore"
)

// watched is a store that counts the looks for claims that are due.
type watched struct {
	*memorystore.Store
	looks atomic.Int64
}

func (w *watched) Due(ctx context.Context, service string, now, beyond time.Time, limit int) ([]store.ClaimInfo, error) {
	w.looks.Add(1)
	return w.Store.Due(ctx, service, now, beyond, limit)
}

// TestRequestsDoNotDoTheWorkOfSweeps states that a request of a process that sweeps by itself
// looks at no service, however many there are, and that where nothing sweeps each one is looked at.
func TestRequestsDoNotDoTheWorkOfSweeps(t *testing.T) {
	t.Parallel()
	const services = 20
	var list []string
	for i := range services {
		list = append(list, fmt.Sprintf(`{"serviceName":"s%d","trigger":{"type":"window","observationPeriod":600},"endpoints":[{"eventKey":"a"}],"targetPubSub":{"topic":"projects/p-1/topics/sync"}}`, i))
	}
	cfg, err := config.Parse([]byte(`{"services":[` + strings.Join(list, ",") + `]}`))
	require.NoError(t, err)
	looks := func(sweepEvery time.Duration) int64 {
		st := &watched{Store: memorystore.New(memorystore.Options{})}
		a, err := New(Options{Config: cfg, Store: st, Bus: localbus.New(), Log: slog.New(slog.DiscardHandler), SweepEvery: sweepEvery})
		require.NoError(t, err)
		for _, g := range a.Gates() {
			a.Help(g)()
		}
		require.NoError(t, a.Close(t.Context()))
		return st.looks.Load()
	}
	require.GreaterOrEqual(t, looks(0), int64(services))
	require.Zero(t, looks(10*time.Second))
}
