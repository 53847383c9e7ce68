package window_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate/window"
)

// held returns an event that took a slot in which another one waited first.
func held(n, first, at int) event.Waiting {
	w := waiting(n, at)
	w.First, w.Slot = t0.Add(time.Duration(first)*time.Minute), "0a"
	return w
}

// The first event of a slot bridges a pause, although a later one took its place.
func TestASessionLastsFromTheFirstEventOfASlot(t *testing.T) {
	t.Parallel()
	s := window.Shape{Kind: window.Session, Period: 10 * time.Minute, Complete: every(2), Rules: []window.Rule{{Key: "a", Need: 1}, {Key: "b", Need: 1}}}
	got := s.Windows([][]event.Waiting{{waiting(0, 0), waiting(1, 16), held(2, 8, 17)}, nil}, t0.Add(20*time.Minute))
	require.Equal(t, []string{"open 0..27 abc -"}, described(got))
}

// Rules with shorter windows may come while events wait. Every event is still in a window.
func TestASlotThatIsOlderThanAWindowLasts(t *testing.T) {
	t.Parallel()
	for _, kind := range []window.Kind{window.Anchored, window.Session} {
		s := window.Shape{Kind: kind, Period: time.Minute, MaxPeriod: 2 * time.Minute, Complete: every(2), Rules: []window.Rule{{Key: "a", Need: 1}, {Key: "b", Need: 1}}}
		got := s.Windows([][]event.Waiting{{held(0, 0, 30)}, nil}, t0.Add(31*time.Minute))
		require.Len(t, got, 1)
		require.Equal(t, window.Closed, got[0].Verdict)
		require.Len(t, got[0].Members[0], 1)
	}
}
