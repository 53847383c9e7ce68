package window_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate/window"
)

// Nothing becomes of a window before the instant that NextClose names, and it closes then. An
// event is due no earlier than Earliest says.
func TestNothingClosesBeforeItsTime(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	hour := func(at time.Time) (time.Time, time.Time) { s := at.Truncate(time.Hour); return s, s.Add(time.Hour) }
	rapid.Check(t, func(t *rapid.T) {
		s := window.Shape{
			Kind: rapid.SampledFrom([]window.Kind{window.Anchored, window.Tumbling, window.Session}).Draw(t, "kind"), Period: 10 * time.Minute,
			MaxPeriod: 25 * time.Minute, Grace: time.Minute, Interval: hour, Rules: []window.Rule{{Key: "a", Need: 1}, {Key: "b", Need: 1}}, Complete: every(2),
		}
		waiting := make([][]event.Waiting, 2)
		at := began
		for range rapid.IntRange(1, 6).Draw(t, "events") {
			at = at.Add(time.Duration(rapid.IntRange(0, 15).Draw(t, "minutes")) * time.Minute)
			waiting[0] = append(waiting[0], event.Waiting{Ref: event.Ref{ID: event.NewID(at), ReceivedAt: at}, At: at, First: at})
		}
		open := func(now time.Time) (n int) {
			for _, w := range s.Windows(waiting, now) {
				if w.Verdict == window.Open {
					n++
				}
			}
			return n
		}
		next := s.NextClose(waiting, at)
		if open(at) == 0 {
			require.True(t, next.IsZero())
			return
		}
		require.Equal(t, open(at), open(next.Add(-time.Microsecond)))
		closed := false
		for _, w := range s.Windows(waiting, next) {
			closed = closed || w.Closes.Equal(next) && w.Verdict == window.Closed
		}
		require.True(t, closed)
		for _, w := range waiting[0] {
			due := s.Earliest(w.At)
			require.True(t, s.Due(due.Add(-time.Microsecond)).Before(w.At), "not due before")
			require.False(t, s.Due(due).Before(w.At), "due then")
		}
	})
}
