package window

import (
	"time"

	"github.com/headgate/headgate/internal/event"
)

// Earliest returns the first instant at which the window of an event with that time may
// close, or at which the event leaves a sliding window by age. It is the inverse of Due,
// apart from resets. A window may close later, but none of that event closes before.
func (s *Shape) Earliest(at time.Time) time.Time {
	if s.Kind != Tumbling {
		return at.Add(s.Period)
	}
	_, end := s.Interval(at)
	return end.Add(s.Grace)
}

// NextClose returns the first instant after now at which one of the windows of a key
// closes, if no further event comes; zero: none does. waiting is as in Windows, whole.
func (s *Shape) NextClose(waiting [][]event.Waiting, now time.Time) (next time.Time) {
	for _, w := range s.Windows(waiting, now) {
		if w.Verdict == Open && w.Closes.After(now) && (next.IsZero() || w.Closes.Before(next)) {
			next = w.Closes
		}
	}
	return next
}
