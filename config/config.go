// Package config is Headgate's configuration: its types, defaults, validation
// and JSON Schema. A configuration that EventSync accepts and that worked there
// means the same here. It is refused only if it has fields that EventSync ignores, an
// eventKey that HTTP clients clean ("a//b"), a period over 366 days, or a need of more than
// a million events.
//
// A Config that Parse returned is valid and effective: defaults are filled in, and
// spellings are normalised. Two things are left: a section that was omitted is nil
// ([Config.LiveSettings] and [Config.SyncSettings] have its defaults), and a field whose
// default depends on the platform is zero, as its comment says. An invalid configuration
// is refused whole, with every fault listed.
//
// The structs declare the form. Their tags are those of package decode, and the schema
// is made from the tags and the fields' comments: go generate ./config writes it.
//
// EventSync's optional fields may be null, as its own GET /config writes them. Elsewhere
// null is a fault, so that a template which renders "auth": null does not open the
// deployment to everybody.
package config

import (
	"encoding/json"
	"time"
)

//go:generate go test . -run ^TestSchemaIsGenerated$ -update

// Config is a deployment's configuration. Its JSON is either one service's
// fields with the deployment's beside them (EventSync's form), or the
// deployment's fields, with or without a list "services".
type Config struct {
	// The services of this deployment, which are its gates. Their names are unique. Omit it for a deployment that only has syncs, webhooks, drafts or live clients.
	Services []Service `json:"services,omitempty" least:"1 service, or be left out: then there is no gate"`
	Deployment

	flat bool // read from EventSync's form: written back in it

	anyOriginSends bool // DISABLE_CORS
}

// Deployment has the settings that all services of a deployment share.
type Deployment struct {
	// The address at which consumers reach this deployment, such as https://host. It makes contentURL in messages absolute.
	PublicURL string `json:"publicURL,omitempty" format:"publicURL"`
	// Hosts that requests may name, beside localhost, loopback addresses and the host of publicURL: host (on any port) or host:port. Without it, only connections over loopback are checked.
	AllowedHosts []string `json:"allowedHosts,omitempty" format:"host"`
	// The callers that are allowed. Without it everybody may call; on Cloud Run, IAM decides first.
	Auth *Auth `json:"auth,omitempty"`
	// How long it is kept who changed what.
	Audit *Audit `json:"audit,omitempty"`
	// The origins whose pages may call. DISABLE_CORS in the environment lets pages of any origin send events, and nothing else.
	CORS *CORS `json:"cors,omitempty"`
	// The systems that syncs may reach, and how syncs run.
	Sync *Sync `json:"sync,omitempty"`
	// The definitions of syncs that this configuration owns, each with an id, in any of the forms of docs/sync.md. They are stored when a process starts. Requests cannot change them.
	Syncs []json.RawMessage `json:"syncs,omitempty"`
	// The push of changes to clients.
	Live *Live `json:"live,omitempty"`
	// The webhooks of one source of truth, and those of ours that pass them on.
	Echo *Echo `json:"echo,omitempty"`
	// Webhooks that are taken at /hooks/{name}.
	Hooks []Hook `json:"hooks,omitempty"`
	// Lists that people edit together at /drafts/{name}.
	Drafts []Draft `json:"drafts,omitempty"`
}

// Service is one gate: event sources, the window in which all of them must have
// reported, and where the sync message goes.
type Service struct {
	// The service's name, in messages, their serviceName attribute and paths. Any text.
	ServiceName string `json:"serviceName" decode:"required"`
	// The condition on which the window is released.
	Trigger Trigger `json:"trigger" decode:"required"`
	// The event sources' addresses. Their keys are unique.
	Endpoints []Endpoint `json:"endpoints" decode:"required" least:"1 endpoint"`
	// The topic of the messages: the short form of the first target. It is required unless there are targets.
	TargetPubSub TargetPubSub `json:"targetPubSub,omitzero"`

	// The largest body of an event, in bytes.
	MaxEventBytes int `json:"maxEventBytes" default:"1048576" range:"1..8388608"`
	// The largest message, in bytes: events that do not fit are referred to by contentURL. Pub/Sub takes 10,000,000 with attributes and framing.
	MaxMessageBytes int `json:"maxMessageBytes" default:"9900000" range:"1024..9900000"`
	// For how many days published messages can be read and replayed.
	RetentionDays int `json:"retentionDays" default:"7" range:"1..365"`
	// Answer a source once its event is stored, and check the window afterwards.
	AsyncEventTrigger bool `json:"asyncEventTrigger"`
	// Headers, and query parameters after ?, that are dropped from events, beside the built-in list of credentials.
	RedactHeaders []string `json:"redactHeaders,omitempty" format:"kept"`
	// Headers, and query parameters after ?, that are kept in spite of the built-in list of credentials.
	KeepHeaders []string `json:"keepHeaders,omitempty" format:"kept"`
	// The sync that each message of this service starts.
	OnMessage *OnMessage `json:"onMessage,omitempty"`
	// The key that related events share. The service waits for each key separately. Without it, all events belong together.
	Correlation *Correlation `json:"correlation,omitempty"`
	// The instants at which all events leave their windows without a message.
	Reset []Cron `json:"reset,omitempty"`
	// The fields of a message. headgate (if omitted): EventSync's and our own. eventsync-1: exactly those of EventSync's document. eventsync-2: exactly those of its later versions. The latter two are for consumers that refuse unknown fields.
	MessageFormat string `json:"messageFormat,omitempty" enum:"headgate eventsync-1 eventsync-2"`
	// Tasks of Cloud Tasks that close windows on time where no process runs between requests.
	Timers *Timers `json:"timers,omitempty"`
	// The topic of windows that close incomplete, and of single events, where a policy is deadLetter.
	DeadLetter *TargetPubSub `json:"deadLetter,omitempty"`
	// The number of waiting events over which further ones are refused with 429. It is counted every few seconds. Omitted: no bound.
	MaxPending int `json:"maxPending,omitempty" range:"1..1000000000"`
	// Addresses of sources that send everything to one place. Their names are unique within the service.
	Feeds []Feed `json:"feeds,omitempty"`
	// The instants by which a complete message must have been published since the instant before. Otherwise an alert says what is missing.
	Expect []Cron `json:"expect,omitempty" least:"1 schedule"`
	// The receivers of alerts. Without it, alerts are lines of the log.
	Alerts *Alerts `json:"alerts,omitempty"`
	// The policy for a request that claims to be a CloudEvent and is malformed. reject (if omitted): 400. keep: it is stored as a plain event, as EventSync does, and its CloudEvents attributes count for nothing.
	Malformed string `json:"malformed,omitempty" enum:"reject keep"`
	// Where each message goes, beside the topic of targetPubSub. Each target has its own state and retries.
	Targets []Target `json:"targets,omitempty" least:"1 target"`
}

// Correlation says which events belong together.
type Correlation struct {
	// The CEL expression for an event's key: text, a number or a boolean, at most 1,000 bytes.
	Key string `json:"key" decode:"required"`
	// The policy for an event without a key. reject (if omitted): 400. drop: it is acknowledged and not stored. deadLetter: it goes to the topic of deadLetter.
	OnMissing string `json:"onMissing,omitempty" enum:"reject drop deadLetter"`
}

// Cron is a schedule.
type Cron struct {
	// Minute, hour, day of the month, month, day of the week.
	Cron string `json:"cron" decode:"required"`
	// Such as Europe/Berlin. Omitted: UTC.
	TimeZone string `json:"timeZone,omitempty"`
}

// OnMessage names what a message starts.
type OnMessage struct {
	// The id of a sync, which is run once per eventID.
	Sync string `json:"sync" decode:"required" format:"id"`
}

// Trigger says when the window is released.
type Trigger struct {
	// window: as soon as every endpoint has its events. none: only by the manual trigger.
	Type string `json:"type" decode:"required" enum:"window none"`
	// The seconds for which an event counts; at most 366 days. It is required, but for a tumbling window, which has none.
	ObservationPeriod int `json:"observationPeriod,omitempty" range:"1..31622400 seconds (366 days)"`
	// true: events still count after a message has had them.
	KeepEventAfterTrigger bool `json:"keepEventAfterTrigger" decode:"nullable"`
	// The events that belong together. sliding (if omitted): those of the last observationPeriod seconds. anchored: those of observationPeriod seconds from the first one on. tumbling: those of an interval of the calendar. session: those until observationPeriod seconds pass without one.
	Window string `json:"window,omitempty" enum:"sliding anchored tumbling session"`
	// The interval of a tumbling window: hour, day, week, month, or a number of seconds.
	Every any `json:"every,omitempty" types:"string integer" format:"interval"`
	// The local time at which a tumbling window's interval begins: HH:MM.
	At string `json:"at,omitempty"`
	// The time zone of at, such as Europe/Berlin. Omitted: UTC.
	TimeZone string `json:"timeZone,omitempty"`
	// The seconds after its interval for which a tumbling window still takes events of it.
	Grace int `json:"grace,omitempty" range:"0..604800 seconds (a week)"`
	// The CEL expression for the time by which an event belongs to a tumbling window. Omitted: its receipt.
	EventTime string `json:"eventTime,omitempty"`
	// The policy for an event whose tumbling window has closed. next (if omitted): it counts for the window that is open. drop: it is acknowledged and not stored. deadLetter: it goes to the topic of deadLetter.
	Late string `json:"late,omitempty" enum:"next drop deadLetter"`
	// The seconds that a session lasts at most. Omitted: a week, or observationPeriod if that is longer.
	MaxPeriod int `json:"maxPeriod,omitempty" range:"1..31622400 seconds (366 days)"`
	// The endpoints that complete the window: eventKeys with &&, ||, parentheses, atLeast(n, a, b, …) and endpoint("any name"). Omitted: all that are not optional.
	Condition string `json:"condition,omitempty"`
	// complete (if omitted): a window is released as soon as its condition holds. close: once it closes.
	Release string `json:"release,omitempty" enum:"complete close"`
	// The policy for a window that closes before its condition holds. drop (if omitted): nothing is sent. partial: a message says what is missing. deadLetter: the message goes to the topic of deadLetter.
	OnClose string `json:"onClose,omitempty" enum:"drop partial deadLetter"`
}

// Period returns ObservationPeriod as a duration.
func (t Trigger) Period() time.Duration { return time.Duration(t.ObservationPeriod) * time.Second }

// Endpoint is one event source's address: /event/{eventKey}.
type Endpoint struct {
	// The end of the path that the source calls. No segment is empty, "." or "..", which HTTP clients clean away; a slash may end it.
	EventKey string `json:"eventKey" decode:"required" format:"eventKey"`
	// The methods with which the source may call, in any letter case. Empty or omitted accepts all but HEAD and OPTIONS.
	AcceptedHTTPMethods []string `json:"acceptedHttpMethods,omitempty" decode:"nullable,anycase" enum:"GET POST OPTIONS HEAD PUT DELETE TRACE CONNECT PATCH"`
	// The endpoint's events that a message has: all, the first, the last, or the first and the last.
	EventToSend string `json:"eventToSend" decode:"nullable,anycase" enum:"ALL FIRST LAST BOUNDARIES" default:"ALL"`
	// The number of events of this endpoint that the window needs.
	MinNbOfOccurrence int `json:"minNbOfOccurrence" decode:"nullable" default:"1" range:"1..1000000"`
	// The most events of this endpoint that a window takes. Further ones wait for the next window. Omitted: no bound.
	MaxNbOfOccurrence int `json:"maxNbOfOccurrence,omitempty" range:"1..1000000"`
	// true: a window is complete without this endpoint's events. Those that wait are in its message.
	Optional bool `json:"optional,omitempty"`
	// The CEL expression that says whether an event counts. false: it is acknowledged and not stored.
	Filter string `json:"filter,omitempty"`
	// The CEL expression for the value that makes an event distinct: of the events in a window with the same value, one counts.
	Distinct string `json:"distinct,omitempty"`
	// The one of the events with the same distinct value that counts. last (if omitted) or first.
	Keep string `json:"keep,omitempty" enum:"first last"`
	// The CEL expression for an event's name, as an Idempotency-Key is one. It is used where the source sends none.
	ID string `json:"id,omitempty"`
	// The CEL expression for this endpoint's correlation key, in the place of correlation.key.
	Key string `json:"key,omitempty"`
	// The policy for an event for which filter, id, distinct or trigger.eventTime fails. reject (if omitted): 400. deadLetter: it goes to the topic of deadLetter.
	OnError string `json:"onError,omitempty" enum:"reject deadLetter"`
	// pubsub: a Pub/Sub push request's body is the envelope; keep the message that is in it.
	Unwrap string `json:"unwrap,omitempty" enum:"pubsub"`
	// What calls this endpoint, made by "headgate deploy". Omitted: it makes nothing that calls.
	Source *Source `json:"source,omitempty"`
	// Over how many collections Firestore spreads the endpoint's waiting events, for rates beyond 500 per second. 0 and 1 mean one.
	Shards int `json:"shards,omitempty" range:"0..64"`
}

// TargetPubSub says where messages go.
type TargetPubSub struct {
	// projects/<project>/topics/<name>
	Topic string `json:"topic" decode:"required" format:"topic"`
}

// Auth lists who may call. Without it everybody may (on Cloud Run, IAM decides).
type Auth struct {
	// Identity-Aware Proxy stands in front, and says who its user is.
	IAP *IAP `json:"iap,omitempty"`
	// Google-signed ID tokens.
	OIDC *OIDC `json:"oidc,omitempty"`
	// The accounts that may call, through Identity-Aware Proxy or with an ID token. Their e-mails are unique.
	Members []Member `json:"members,omitempty"`
	// Bearer tokens. Their names are unique.
	Tokens []Token `json:"tokens,omitempty"`
}

// OIDC accepts Google-signed ID tokens.
type OIDC struct {
	// The audiences for which a token may have been made, such as this deployment's URL.
	Audiences []string `json:"audiences" decode:"required" least:"1 audience" format:"nonempty"`
	// More accounts that may call, by ID token only. Required if auth has no members. Their e-mails are unique.
	Members []Member `json:"members,omitempty" least:"1 member"`
}

// IAP accepts the assertions (X-Goog-IAP-JWT-Assertion) of an Identity-Aware Proxy.
type IAP struct {
	// The audiences of the assertions: /projects/NUMBER/locations/REGION/services/NAME for each service of Cloud Run with IAP, /projects/NUMBER/global/backendServices/ID for each backend of a load balancer.
	Audiences []string `json:"audiences" decode:"required" least:"1 audience" format:"iapAudience"`
}

// Member is an account that may call.
type Member struct {
	// The e-mail address of a user or a service account.
	Email string `json:"email" decode:"required" format:"email"`
	// ingest: send events. operate: trigger, reset, replay. read: see messages, status and the configuration.
	Roles []string `json:"roles" decode:"required" least:"1 role" enum:"ingest operate read"`
}

// Token is a bearer token, known only by its hash.
type Token struct {
	// The token's name in logs.
	Name string `json:"name" decode:"required"`
	// The SHA-256 of the token: printf %s "$TOKEN" | sha256sum
	SHA256 string `json:"sha256" decode:"required,secret" format:"sha256"`
	// ingest: send events. operate: trigger, reset, replay. read: see messages, status and the configuration.
	Roles []string `json:"roles" decode:"required" least:"1 role" enum:"ingest operate read"`
}

// CORS lists the origins whose pages may call.
type CORS struct {
	// "*" for any, or scheme://host[:port].
	AllowedOrigins []string `json:"allowedOrigins" decode:"required" least:"1 origin" format:"origin"`
}
