package outbound

import (
	"math/rand/v2"
	"time"
)

// pauses has the time between two attempts to deliver to a system, after each failure. All
// of them together are about two days.
var pauses = []time.Duration{
	5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour,
}

// LongestPause is the longest time between two attempts: the last pause with its random
// spread. No Retry-After is longer (see [RetryAfter]).
var LongestPause = pauses[len(pauses)-1] * 6 / 5

// Pause returns the time between a failed attempt and the next one, with a random spread.
// failures counts the attempts that have failed in a row, and asked is what the system asks
// for, or 0. ok is false if no further attempt should be made.
func Pause(failures int, asked time.Duration) (wait time.Duration, ok bool) {
	if failures > len(pauses) {
		return 0, false
	}
	wait = pauses[max(failures-1, 0)]
	return max(wait+rand.N(wait/5+1), asked), true
}
