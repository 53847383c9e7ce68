package launch

import (
	"time"

	"golang.org/x/sys/unix"
)

// slept returns how long the machine has slept. Go's monotonic clock stands still during
// sleep: without slept, every laptop that wakes up would seem to have had its clock set.
func slept() time.Duration { return since(clockMonotonic) - since(clockUptimeRaw) }

// From <time.h>: the first counts sleep, the second does not.
const (
	clockMonotonic = 6
	clockUptimeRaw = 8
)

func since(id int32) time.Duration {
	var ts unix.Timespec
	if unix.ClockGettime(id, &ts) != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}
