package launch

import (
	"math"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// uncounted returns the part of the memory that is left for uses which the Go runtime
// does not count: SQLite's pages, mapped code, the kernel's buffers of sockets. It is a
// tenth, and more where little memory would make a tenth too small.
func uncounted(limit int64) int64 { return max(limit/10, min(64<<20, limit/4)) }

// memoryLimit returns how many bytes this process may use: the value of GOMEMLIMIT,
// which the runtime has read, or else most of the memory of the cgroup (v1 or v2) or of
// the machine. 0 means that the limit is not known.
func memoryLimit(getenv func(string) string) int64 {
	if env := getenv("GOMEMLIMIT"); env != "" && env != "off" {
		if limit := debug.SetMemoryLimit(-1); limit < math.MaxInt64 {
			return limit
		}
	}
	limit, err := memlimit.ApplyFallback(memlimit.FromCgroup, memlimit.FromSystem)()
	if err != nil || limit > math.MaxInt64 {
		return 0
	}
	return int64(limit) - uncounted(int64(limit))
}
