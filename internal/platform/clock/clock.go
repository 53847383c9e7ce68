// Package clock decides what a time means when clocks can be wrong. A clock may be set
// forward or back while the process runs, and the clocks of two instances may differ.
// Neither may lose data or block work for ever. See docs/decisions/010-steady-clock.md.
package clock

import "time"

// Skew is the largest difference between two clocks that is normal. A time that is
// further ahead than it explains comes from a wrong clock.
const Skew = time.Minute

// Over reports whether a deadline is over: it has passed, or it is further ahead than a
// correct clock can have set it. A lease of at most longest that ends later than
// now + longest + [Skew] was set by a clock that was ahead, or our own clock was set
// back since. To wait for such a deadline could take years.
func Over(deadline, now time.Time, longest time.Duration) bool {
	return !now.Before(deadline) || deadline.Sub(now) > longest+Skew
}
