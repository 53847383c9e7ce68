package gate_test

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/bus/localbus"
	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/store"
)

// hangingStore never answers Due.
type hangingStore struct{ store.Store }

func (hangingStore) Now(context.Context) (time.Time, bool, error) { return time.Time{}, false, nil }

func (hangingStore) Due(ctx context.Context, _ string, _, _ time.Time, _ int) ([]store.ClaimInfo, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// Help delays an answer until at most two seconds after the request's beginning, even if
// the store hangs. The time of the request's own work counts.
func TestHelpDelaysAnAnswerByTwoSeconds(t *testing.T) {
	t.Parallel()
	cfg, err := config.Parse([]byte(`{"serviceName":"s","trigger":{"type":"window","observationPeriod":600},"endpoints":[{"eventKey":"a"},{"eventKey":"b"}],"targetPubSub":{"topic":"` + topic + `"}}`))
	require.NoError(t, err)
	synctest.Test(t, func(t *testing.T) {
		g := gate.New(cfg.Services[0], gate.Options{Store: hangingStore{}, Bus: localbus.New(topic), Log: slog.New(slog.DiscardHandler)})
		began := time.Now()
		wait := g.Help()
		time.Sleep(1500 * time.Millisecond) // the request's own work
		wait()
		require.Equal(t, 2*time.Second, time.Since(began))
		require.NoError(t, g.Close(t.Context()))
		require.LessOrEqual(t, time.Since(began), 15*time.Second)
	})
}
