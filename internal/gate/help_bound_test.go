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

// hangingStore never says which claims wait.
type hangingStore struct{ store.Store }

func (hangingStore) Now(context.Context) (time.Time, bool, error) { return time.Time{}, false, nil }

func (hangingStore) Due(ctx context.Context, _ string, _, _ time.Time, _ int) ([]store.ClaimInfo, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// A request that helps is answered within two seconds of its beginning, whatever
// becomes of the help, and its own work counts.
func TestHelpDelaysAnAnswerByTwoSeconds(t *testing.T) {
	t.Parallel()
	cfg, err := config.Parse([]byte(`{"serviceName":"s","trigger":{"type":"window","observationPeriod":600},"endpoints":[{"eventKey":"a"},{"eventKey":"b"}],"targetPubSub":{"topic":"` + topic + `"}}`))
	require.NoError(t, err)
	synctest.Test(t, func(t *testing.T) {
		g := gate.New(cfg.Services[0], gate.Options{Store: hangingStore{}, Bus: localbus.New(topic), Log: slog.New(slog.DiscardHandler)})
		began := time.Now()
		wait := g.Help()
		time.Sleep(1500 * time.Millisecond) // its own work
		wait()
		require.Equal(t, 2*time.Second, time.Since(began))
		require.NoError(t, g.Close(t.Context()))
		require.LessOrEqual(t, time.Since(began), 15*time.Second)
	})
}
