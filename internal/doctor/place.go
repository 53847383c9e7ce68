package doctor

import (
	"context"
	"strings"

	"github.com/headgate/headgate/internal/platform/shell"
)

// Address stands in commands for the address of a deployment that is not known here, as a part
// of a word between double quotes. A shell that has no such variable runs nothing.
var Address = shell.Required("HEADGATE_URL", "set it to the address of the deployment")

// Place says where the deployment runs, and on which drivers. The package that opens the
// drivers fills it.
type Place struct {
	// Serves says that this process is the deployment. Otherwise a person looks at it from
	// outside, with credentials of their own.
	Serves bool
	// Background says that processes of this deployment have CPU between requests, and sweep
	// by themselves.
	Background bool

	Firestore, PubSub bool   // the drivers; otherwise SQLite, and a bus in the process
	StoreMissing      string // the directory of a store that does not exist yet, or ""
	Project, Database string
	// FirestoreEmulator and PubSubEmulator are host:port, or "".
	FirestoreEmulator, PubSubEmulator string
	// Groups are the collection groups of the Firestore driver.
	Groups []string
	// LiveTopic carries signals between instances, or is "".
	LiveTopic string

	// Service is the name of the Cloud Run service.
	Service string

	// Google asks Google Cloud's administration; nil: there is none here.
	Google Google
	// Resolve resolves a reference to a credential, and fails where the process that serves
	// would.
	Resolve func(ctx context.Context, ref string) (string, error)
	// StoreAdvice explains errors of the store; nil: nothing is known about them.
	StoreAdvice Advice
	// Headgate returns the command line of a headgate command on this deployment; nil: without
	// its place.
	Headgate func(words ...string) string
	// URL is that of the deployment, or "".
	URL string
	// Own returns the region and the account of this process; "" where they are not known. May
	// be nil.
	Own func(ctx context.Context) (region, account string)
}

// LookAtStore returns the command that shows whether a store answers that is a service of its
// own; "" for one that is a file.
func (p Place) LookAtStore() string {
	switch {
	case !p.Firestore:
		return ""
	case p.FirestoreEmulator != "":
		return "curl " + shell.Quote("http://"+strings.TrimPrefix(p.FirestoreEmulator, "http://")+"/")
	}
	return "gcloud firestore databases describe --database=" + shell.Quote(p.Database) + " --project=" + shell.Quote(p.Project)
}

// PubSubVariables returns what stands before a command of gcloud pubsub so that it reaches the
// Pub/Sub of the deployment, also one in an emulator.
func (p Place) PubSubVariables() string {
	if p.PubSubEmulator == "" {
		return ""
	}
	return "CLOUDSDK_AUTH_DISABLE_CREDENTIALS=true CLOUDSDK_API_ENDPOINT_OVERRIDES_PUBSUB=" + shell.Quote("http://"+strings.TrimPrefix(p.PubSubEmulator, "http://")+"/") + " "
}

// own returns the region and the account of this process; "" where they are not known.
func (p Place) own(ctx context.Context) (region, account string) {
	if p.Own == nil {
		return "", ""
	}
	return p.Own(ctx)
}

// region returns the deployment's region as a word of a shell: that of this process, or that
// of a queue in the configuration.
func (e *examination) region(ctx context.Context) string {
	region, _ := e.Place.own(ctx)
	for _, svc := range e.Config.Services {
		if svc.Timers == nil || region != "" {
			continue
		}
		if parts := strings.Split(svc.Timers.Queue, "/"); len(parts) == 6 { // projects/P/locations/L/queues/Q
			region = parts[3]
		}
	}
	if region == "" {
		return `"` + shell.Required("REGION", "set it to the region of the service, such as europe-west3") + `"`
	}
	return shell.Quote(region)
}
