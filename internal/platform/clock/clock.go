// Package clock decides what a time means when clocks can be wrong. A clock may
// be set forward or back while the process runs, and two instances may disagree:
// nothing may be lost or stuck for that reason.
package clock

import "time"

// Skew is how far two clocks may differ before a time is taken for a wrong one.
const Skew = time.Minute

// Over reports whether a deadline no longer holds. It does not if it has passed,
// and neither if it lies further ahead than anybody can have set it: a lease of at
// most longest that ends later than now + longest + [Skew] was set by a clock that was
// ahead, or our own clock was set back since. Waiting for it could take years.
func Over(deadline, now time.Time, longest time.Duration) bool {
	return !now.Before(deadline) || deadline.Sub(now) > longest+Skew
}
