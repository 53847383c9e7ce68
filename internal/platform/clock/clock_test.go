package clock_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/clock"
)

func TestOver(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	const longest = 15 * time.Second
	for _, tc := range []struct {
		name string
		in   time.Duration // from now to the deadline
		over bool
	}{
		{"passed", -time.Hour, true},
		{"exactly now", 0, true},
		{"holds", time.Second, false},
		{"as far ahead as it can be set", longest, false},
		{"set by an instance within the skew", longest + clock.Skew, false},
		{"set by a clock that was ahead", longest + clock.Skew + time.Nanosecond, true},
		{"an hour ahead", time.Hour, true},
		{"further than a Duration reaches", 1<<63 - 1, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tc.over, clock.Over(now.Add(tc.in), now, longest))
		})
	}
}
