//go:build !linux && !darwin

package launch

import "time"

// slept returns 0: the monotonic clock of Windows counts sleep.
func slept() time.Duration { return 0 }
