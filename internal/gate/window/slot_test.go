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

// The pointer of a slot may lie where the first event of the slot lay. The session lasts
// until the newest one has aged.
func TestASlotProlongsASessionByItsNewestEvent(t *testing.T) {
	t.Parallel()
	s := window.Shape{Kind: window.Session, Period: 10 * time.Minute, Complete: every(2), Rules: []window.Rule{{Key: "a", Need: 1}, {Key: "b", Need: 1}}}
	w := held(0, 0, 0)
	w.ReceivedAt = t0.Add(9 * time.Minute)
	got := s.Windows([][]event.Waiting{{w}, nil}, t0.Add(15*time.Minute))
	require.Equal(t, []string{"open 0..19 a -"}, described(got))
}

// What a rule's most leaves over is enough for another message of the same look.
func TestWhatIsBeyondTheMostOfASlidingWindowIsReleasedToo(t *testing.T) {
	t.Parallel()
	s := window.Shape{Kind: window.Sliding, Period: time.Hour, Complete: every(1), Rules: []window.Rule{{Key: "a", Need: 1, Max: 1}}}
	got := s.Windows([][]event.Waiting{{waiting(0, 0), waiting(1, 1), waiting(2, 2)}}, t0.Add(3*time.Minute))
	require.Equal(t, []string{"complete 0..- a", "complete 1..- b", "complete 2..- c"}, described(got))
}
