package app

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/doctor"
	"github.com/headgate/headgate/internal/store/memorystore"
)

// Where only a scheduler sweeps, the status says when it calls no more, and the log says so
// once, until it calls again.
func TestStatusSaysThatNothingSweeps(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	svc := config.Service{ServiceName: "orders"}
	a := &App{o: Options{Config: &config.Config{Services: []config.Service{svc}}, Log: slog.New(slog.NewTextHandler(&log, nil))}}
	a.beats = &doctor.Beats{Docs: memorystore.New(memorystore.Options{}), Now: func() time.Time { return now }}
	says := func(want int) {
		t.Helper()
		for range 2 {
			said, err := a.warnings(t.Context(), svc)
			require.NoError(t, err)
			require.Len(t, said, want)
		}
	}
	says(0) // it may have just begun
	for range 4 {
		a.swept("orders")(t.Context(), true)
		now = now.Add(time.Minute)
	}
	says(0)
	now = now.Add(10 * time.Minute)
	says(1)
	require.Equal(t, 1, strings.Count(log.String(), "nothing has called for the sweep"), log.String())
	a.backgroundCPU = true
	says(0)
	a.backgroundCPU = false
	a.swept("orders")(t.Context(), true)
	says(0)
	now = now.Add(10 * time.Minute)
	says(1)
	require.Equal(t, 2, strings.Count(log.String(), "nothing has called for the sweep"))
}
