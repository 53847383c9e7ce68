package launch

import (
	"time"

	"golang.org/x/sys/unix"
)

// slept returns how long the machine has slept. Go's monotonic clock stands still during
// sleep: without slept, every laptop that wakes up would seem to have had its clock set.
func slept() time.Duration { return since(unix.CLOCK_BOOTTIME) - since(unix.CLOCK_MONOTONIC) }

func since(id int32) time.Duration {
	var ts unix.Timespec
	if unix.ClockGettime(id, &ts) != nil {
		return 0 // a kernel without this clock
	}
	return time.Duration(ts.Nano())
}
