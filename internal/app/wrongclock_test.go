package app

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/store/memorystore"
)

// timedStore has a time of its own.
type timedStore struct {
	*memorystore.Store
	now func() time.Time
}

func (s timedStore) Now(context.Context) (time.Time, bool, error) { return s.now(), true, nil }

// The log says once that the machine's clock is wrong, and once that it is right again.
func TestTheLogTellsOfAWrongClock(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	truth, ran, ahead := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC), time.Duration(0), time.Hour
	now := func() time.Time { return truth.Add(ran) }
	a := &App{o: Options{
		Config: new(config.Config), Log: slog.New(slog.NewTextHandler(&log, nil)), Store: timedStore{memorystore.New(memorystore.Options{}), now},
		Now: func() time.Time { return now().Add(ahead) }, Mono: func() time.Duration { return ran },
	}}
	a.o.steady()
	lines := func() int { return strings.Count(log.String(), "\n") }
	look := func() {
		for range 20 {
			require.NoError(t, a.OnTime(t.Context()))
			ran += time.Minute
		}
	}
	look()
	require.Equal(t, 1, lines(), log.String())
	require.Contains(t, log.String(), "aheadSeconds=3600")
	require.WithinDuration(t, now(), a.o.Now(), time.Second)
	ahead = 0
	look()
	require.Equal(t, 2, lines(), log.String())
	require.Contains(t, log.String(), "is right again")
}
