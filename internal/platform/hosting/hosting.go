// Package hosting says what the platform that a process runs on gives it.
package hosting

// Platform is the kind of host that a process runs on. The zero value is CloudRun, which
// allows less.
type Platform int

// The platforms.
const (
	CloudRun Platform = iota // and Cloud Functions, which run on it
	Machine                  // a laptop, a server or a container of one's own
)

// BackgroundCPU reports whether the process has CPU between requests. Cloud Run gives it
// none once a request is answered. What must happen then has to happen before the answer,
// or a scheduler has to call for it.
func (p Platform) BackgroundCPU() bool { return p == Machine }

// Cloud reports whether the platform stands between the process and its callers. It then
// decides which hosts lead here, and this machine's own addresses are not its user's.
func (p Platform) Cloud() bool { return p == CloudRun }
