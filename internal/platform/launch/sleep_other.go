//go:build !linux && !darwin

package launch

import "time"

// slept returns how long the machine has slept. Windows' monotonic clock counts that.
func slept() time.Duration { return 0 }
