package app

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/flow"
)

// A run that sends must notice at once that its machine was suspended. The clock that
// everything else uses follows a jump only after minutes.
func TestRunsSeeAJumpOfTheMachinesClock(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	o := Options{Config: &config.Config{}, Now: func() time.Time { return now }, Mono: func() time.Duration { return 0 }}
	o.steady()
	syncs := (&App{o: o, flow: flow.New(flow.Options{})}).syncOptions()
	began := now
	now = now.Add(time.Hour)
	require.Equal(t, now, syncs.Machine())
	require.Equal(t, began, syncs.Now())
}
