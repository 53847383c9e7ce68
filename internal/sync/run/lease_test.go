package run

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// If either the monotonic clock or the wall clock says that the lease has ended, the holder
// doubts.
func TestALeaseIsSureByBothClocks(t *testing.T) {
	t.Parallel()
	begin := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	for _, tc := range []struct {
		wall time.Duration
		sure bool
	}{
		{0, true},
		{leaseTime - margin - 1, true},
		{leaseTime - margin, false},
		{2 * time.Hour, false},       // set forward, or the machine was suspended
		{-time.Millisecond, true},    // slewed
		{-2 * time.Hour, false},      // set back
		{10 * 24 * time.Hour, false}, // far
	} {
		now := begin
		h := &holder{machine: func() time.Time { return now }}
		h.proven.Store(&begin)
		now = begin.Add(tc.wall)
		require.Equal(t, tc.sure, h.sure(), "%v", tc.wall)
	}
	synctest.Test(t, func(t *testing.T) {
		h := &holder{machine: time.Now}
		at := time.Now()
		h.proven.Store(&at)
		require.True(t, h.sure())
		time.Sleep(leaseTime - margin) // of the bubble, whose clock has a monotonic reading
		require.False(t, h.sure())
	})
}

// A lease with an end that no process can have set, because it is too late, is void.
func TestALeaseFromTheFutureIsVoid(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	require.True(t, (&lease{Until: now.Add(leaseTime)}).live(now))
	require.False(t, (&lease{Until: now}).live(now))
	require.False(t, (&lease{Until: now.Add(time.Hour)}).live(now), "a clock was an hour ahead")
	require.False(t, (*lease)(nil).live(now))
}
