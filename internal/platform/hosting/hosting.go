// Package hosting says what the platform that a process runs on gives it. A Platform answers
// each question by a method of its own, so that a new platform answers every one.
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

// Proxied reports whether the platform stands between the process and its callers. It then
// decides which hosts lead here and, by IAM, which callers get here. Callers do not reach
// the process at the address that it listens on.
func (p Platform) Proxied() bool { return p == CloudRun }

// EndsRequests reports whether the platform ends requests that last for an hour.
func (p Platform) EndsRequests() bool { return p == CloudRun }

// OwnMachine reports whether the machine is the operator's own. Otherwise its loopback
// addresses, files and variables are not for the users of this process.
func (p Platform) OwnMachine() bool { return p == Machine }

// GoogleCloud reports whether the platform is part of Google Cloud: Firestore, Pub/Sub and
// the metadata server are there, and local files and an example configuration are not meant.
func (p Platform) GoogleCloud() bool { return p == CloudRun }

// StructuredLogs reports whether the platform reads logs as JSON.
func (p Platform) StructuredLogs() bool { return p == CloudRun }
