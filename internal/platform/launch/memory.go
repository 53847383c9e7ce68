package launch

import (
	"math"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// uncounted is the part of the memory that the Go runtime must leave to what it
// does not count: SQLite's pages, mapped code, the kernel's buffers of sockets. It
// is a tenth, but where there is little memory that would be too little.
func uncounted(limit int64) int64 { return max(limit/10, min(64<<20, limit/4)) }

// memoryLimit returns how many bytes this process may use: what GOMEMLIMIT says,
// which the runtime has read, or else most of what the cgroup (v1 or v2) or the
// machine has. 0 means that nobody knows.
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
