package alert

import (
	"slices"
	"time"

	"github.com/headgate/headgate/internal/gate/window"
)

const (
	// lookBack bounds how long ago a missed instant may be, and mostMissed how many are
	// looked at. A service that was down for a week tells what it missed in the last day.
	lookBack   = 24 * time.Hour
	mostMissed = 24
)

// Expectation is one instant of a schedule: a complete message must have been published
// after Since, and until At.
type Expectation struct{ Since, At time.Time }

// Due returns the expectations whose instant has come after evaluated and until now, in
// order. It leaves out those that are too long ago to tell anybody.
func Due(schedule window.Instants, evaluated, now time.Time) (due []Expectation) {
	if oldest := now.Add(-lookBack); evaluated.Before(oldest) {
		evaluated = oldest
	}
	for at := schedule.Latest(now); at.After(evaluated) && len(due) < mostMissed; {
		since := schedule.Latest(at.Add(-time.Microsecond))
		due = append(due, Expectation{since, at})
		at = since
	}
	slices.Reverse(due)
	return due
}

// Missed returns the expectations that no publication met.
func Missed(due []Expectation, published []time.Time) []Expectation {
	return slices.DeleteFunc(slices.Clone(due), func(e Expectation) bool {
		return slices.ContainsFunc(published, e.MetBy)
	})
}

// MetBy reports whether a complete message that was published at the instant meets the
// expectation.
func (e Expectation) MetBy(published time.Time) bool {
	return published.After(e.Since) && !published.After(e.At)
}
