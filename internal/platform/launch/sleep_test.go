package launch

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSleepDoesNotPassWhileAwake(t *testing.T) {
	t.Parallel()
	before := slept()
	require.GreaterOrEqual(t, before, -time.Second)
	began := time.Now()
	for time.Since(began) < 20*time.Millisecond {
	}
	require.InDelta(t, before.Seconds(), slept().Seconds(), 1)
}
