package launch

import (
	"math"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// share is the part of the memory that is given which the Go runtime may use. The
// rest is for what it does not count: SQLite's pages, mapped code, the kernel's
// buffers of sockets.
const share = 0.9

// memoryLimit returns how many bytes this process may use: what GOMEMLIMIT says,
// which the runtime has read, or else most of what the cgroup (v1 or v2) or the
// machine has. 0 means that nobody knows.
func memoryLimit(getenv func(string) string) int64 {
	if env := getenv("GOMEMLIMIT"); env != "" && env != "off" {
		if limit := debug.SetMemoryLimit(-1); limit < math.MaxInt64 {
			return limit
		}
	}
	given := memlimit.ApplyRatio(memlimit.ApplyFallback(memlimit.FromCgroup, memlimit.FromSystem), share)
	limit, err := given()
	if err != nil || limit > math.MaxInt64 {
		return 0
	}
	return int64(limit)
}
