package meter

// Labels that several metrics have.
var (
	service  = Label{Name: "headgate.service"}
	endpoint = Label{Name: "headgate.endpoint"}
	syncID   = Label{Name: "headgate.sync"}
)

func result(values ...string) Label { return Label{Name: "headgate.result", Values: values} }

// Bounds of the buckets of histograms, in seconds. The first two are those that the semantic
// conventions advise.
var (
	requests   = []float64{.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10}
	operations = []float64{.001, .005, .01, .05, .1, .5, 1, 5, 10}
	runs       = []float64{.1, .5, 1, 5, 10, 30, 60, 300, 600, 1800, 3600, 7200}
)

// Succeeded and Failed are results of what either works or does not.
const (
	Succeeded = "success"
	Failed    = "error"
)

// Outcome returns the result of what ended with the error.
func Outcome(err error) string {
	if err != nil {
		return Failed
	}
	return Succeeded
}

// OtherMethod stands for every method that [Methods] does not list: callers can make up names.
const OtherMethod = "_OTHER"

// Methods returns the methods of HTTP that have their names in metrics and spans: those of RFC
// 9110, and PATCH, as the semantic conventions have it.
func Methods() []string {
	return []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"}
}

// The metrics of requests, and of the store.
var (
	HTTPDuration = &Metric{
		Name: "http.server.request.duration", Unit: "s", Kind: Histogram, Buckets: requests,
		Help:   "Requests, by the route that served them. A connection of a live client is not one.",
		Labels: []Label{{Name: "http.request.method", Values: append(Methods(), OtherMethod)}, {Name: "http.route"}, {Name: "http.response.status_code", Number: true}, {Name: "url.scheme", Values: []string{"http", "https"}}},
	}
	StoreDuration = &Metric{
		Name: "db.client.operation.duration", Unit: "s", Kind: Histogram, Buckets: operations,
		Help:   "Operations of the store. One that failed has an error.type.",
		Labels: []Label{{Name: "db.system.name", Values: []string{"sqlite", "gcp.firestore", "memory"}}, {Name: "db.operation.name"}, {Name: "error.type"}},
	}
)

// The metrics of the gate.
var (
	Events = &Metric{
		Name: "headgate.events", Unit: "{event}", Kind: Counter,
		Help:   "Events that were answered, by what became of them.",
		Labels: []Label{service, endpoint, result(EventStored, EventDuplicate, EventDeadLetter, EventFiltered, EventDropped, EventRefused, Failed)},
	}
	EventsSuperseded = &Metric{
		Name: "headgate.events.superseded", Unit: "{event}", Kind: Counter, Help: "Events that lost their place to another one with the same distinct value.",
		Labels: []Label{service, endpoint},
	}
	EventsExpired = &Metric{
		Name: "headgate.events.expired", Unit: "{event}", Kind: Counter, Logged: true, Help: "Events that left the window without a message.",
		Labels: []Label{service, endpoint},
	}
	IngestDuration = &Metric{
		Name: "headgate.ingest.duration", Unit: "s", Kind: Histogram, Buckets: requests, Help: "From the arrival of events to their receipt.",
		Labels: []Label{service, result(Succeeded, Failed)},
	}
	CheckDuration = &Metric{
		Name: "headgate.check.duration", Unit: "s", Kind: Histogram, Buckets: requests, Help: "Looks at a window, with the claim if it is complete.",
		Labels: []Label{service, result(Succeeded, Failed)},
	}
	PublishDuration = &Metric{
		Name: "headgate.publish.duration", Unit: "s", Kind: Histogram, Buckets: requests, Help: "Attempts to send a message to its targets.",
		Labels: []Label{service, result(Succeeded, Failed)},
	}
	Messages = &Metric{
		Name: "headgate.messages", Unit: "{message}", Kind: Counter, Logged: true,
		Help:   "Windows that were released, by the reason. Those of a service without rules about time are complete or manual.",
		Labels: []Label{service, {Name: "headgate.completion", Values: []string{"complete", "partial", "manual", "deadLetter", "dropped"}}},
	}
	ClaimsLost = &Metric{
		Name: "headgate.claims.lost", Unit: "{claim}", Kind: Counter, Help: "Claims that another instance made first. Nothing is lost by them but the time of the attempt.",
		Labels: []Label{service},
	}
	Alerts = &Metric{
		Name: "headgate.alerts", Unit: "{alert}", Kind: Counter, Help: "Alerts that were created: windows that closed incomplete, events that left their window, expectations that were missed.",
		Labels: []Label{service, {Name: "headgate.alert.kind", Values: []string{"incomplete", "expired", "overdue"}}},
	}
	SweepDuration = &Metric{
		Name: "headgate.sweep.duration", Unit: "s", Kind: Histogram, Buckets: runs, Logged: true, Help: "Sweeps of a service.",
		Labels: []Label{service, result(Succeeded, Failed)},
	}
	WindowsOpen = &Metric{
		Name: "headgate.windows.open", Unit: "{window}", Kind: Gauge, Help: "Windows that have events. Of more than 1,000 it is 1,000.",
		Labels: []Label{service},
	}
	WindowOldest = &Metric{
		Name: "headgate.window.oldest.age", Unit: "s", Kind: Gauge, Help: "The age of the oldest event that waits; 0 if none does.",
		Labels: []Label{service},
	}
	Have = &Metric{
		Name: "headgate.endpoint.have", Unit: "{event}", Kind: Gauge, Help: "Events that wait at an endpoint, under all keys.",
		Labels: []Label{service, endpoint},
	}
	Need = &Metric{
		Name: "headgate.endpoint.need", Unit: "{event}", Kind: Gauge, Help: "Events that a window needs of an endpoint.",
		Labels: []Label{service, endpoint},
	}
	Backlog = &Metric{
		Name: "headgate.backlog", Unit: "{message}", Kind: Gauge, Logged: true, Help: "Messages that a target does not have yet.",
		Labels: []Label{service},
	}
	BacklogAge = &Metric{
		Name: "headgate.backlog.age", Unit: "s", Kind: Gauge, Logged: true, Help: "The age of the oldest of these messages; 0 if there is none.",
		Labels: []Label{service},
	}
)

// What became of an event.
const (
	EventStored     = "stored"
	EventDuplicate  = "duplicate"
	EventDeadLetter = "deadLetter"
	EventFiltered   = "filtered"
	EventDropped    = "dropped"
	EventRefused    = "refused"
)

// The metrics of syncs, webhooks and live clients.
var (
	SyncRows = &Metric{
		Name: "headgate.sync.rows", Unit: "{row}", Kind: Counter, Logged: true, Help: "Rows that runs read or wrote, by what became of them. A run that ends adds its own.",
		Labels: []Label{syncID, {Name: "headgate.direction", Values: []string{"pull", "push"}}, result("created", "updated", "deleted", "unchanged", "rejected", "conflict")},
	}
	SyncRunDuration = &Metric{
		Name: "headgate.sync.run.duration", Unit: "s", Kind: Histogram, Buckets: runs, Logged: true, Help: "Runs, from their start to their end.",
		Labels: []Label{syncID, {Name: "headgate.state", Values: []string{"finished", "partial", "failed", "cancelled"}}},
	}
	SyncCursorLag = &Metric{
		Name: "headgate.sync.cursor.lag", Unit: "s", Kind: Gauge, Help: "The age of the place up to which a sync has pulled: that of the type that is furthest behind. A source whose rows have no times has none.",
		Labels: []Label{syncID},
	}
	SyncRejects = &Metric{
		Name: "headgate.sync.rejects", Unit: "{row}", Kind: Gauge, Help: "Rows that are rejected now. Of more than 10,000 it is 10,000.",
		Labels: []Label{syncID},
	}
	WebhooksReceived = &Metric{
		Name: "headgate.webhooks.received", Unit: "{webhook}", Kind: Counter, Help: "Webhooks that came in.",
		Labels: []Label{{Name: "headgate.hook"}, result("accepted", "duplicate", "ignored", "refused", Failed)},
	}
	DeliveryDuration = &Metric{
		Name: "headgate.webhook.delivery.duration", Unit: "s", Kind: Histogram, Buckets: requests, Help: "Attempts to deliver a webhook to a registered URL.",
		Labels: []Label{result(Succeeded, Failed)},
	}
	DeliveriesPending = &Metric{
		Name: "headgate.webhook.deliveries.pending", Unit: "{delivery}", Kind: Gauge, Logged: true, Help: "Webhooks that a registered URL does not have yet.",
	}
	TargetsPaused = &Metric{
		Name: "headgate.webhook.targets.paused", Unit: "{target}", Kind: Gauge, Logged: true, Help: "Registered URLs that failed for two days, and are not called any more.",
	}
	LiveClients = &Metric{
		Name: "headgate.live.clients", Unit: "{client}", Kind: Gauge, Help: "Live clients that are connected to this instance.",
	}
	LiveSubscriptions = &Metric{
		Name: "headgate.live.subscriptions", Unit: "{subscription}", Kind: Gauge, Help: "Their subscriptions.",
	}
	LiveFrames = &Metric{
		Name: "headgate.live.frames", Unit: "{frame}", Kind: Counter, Read: true, Help: "Frames that were written to live clients.",
	}
	LiveDrops = &Metric{
		Name: "headgate.live.drops", Unit: "{client}", Kind: Counter, Read: true, Help: "Live clients that were closed because they read too slowly, or used too much memory. They connect again and miss nothing.",
	}
)

// List returns every metric.
func List() []*Metric {
	return []*Metric{
		HTTPDuration, StoreDuration,
		Events, EventsSuperseded, EventsExpired, IngestDuration, CheckDuration, PublishDuration, Messages, ClaimsLost, Alerts, SweepDuration,
		WindowsOpen, WindowOldest, Have, Need, Backlog, BacklogAge,
		SyncRows, SyncRunDuration, SyncCursorLag, SyncRejects,
		WebhooksReceived, DeliveryDuration, DeliveriesPending, TargetsPaused,
		LiveClients, LiveSubscriptions, LiveFrames, LiveDrops,
	}
}
