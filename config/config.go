// Package config is Headgate's configuration: its types, defaults, validation
// and JSON Schema. A configuration that EventSync accepts and that worked there
// is accepted here and means the same.
//
// A Config that Parse returned is valid and effective: defaults are filled in
// and spellings are normalised. What is not valid is refused whole, with every
// fault listed.
//
// The struct tags are the decoder's only knowledge of the form. Beside json's,
// config:"required" marks a field that must be there, and config:"nullable" one
// where null means omitted: EventSync's optional fields, which its own GET
// /config writes as null. Elsewhere null is a fault, so that a template which
// renders "auth": null does not open the deployment to everybody.
package config

import "time"

// Config is a deployment's configuration. Its JSON is either one service's
// fields with the deployment's beside them (EventSync's form), or the
// deployment's fields with a list "services".
type Config struct {
	Services []Service `json:"services" config:"required"`
	// PublicURL is where consumers reach this deployment ("https://host"); it
	// makes contentURL in messages absolute.
	PublicURL string  `json:"publicURL,omitempty"`
	Auth      *Auth   `json:"auth,omitempty"`
	CORS      *CORS   `json:"cors,omitempty"`
	Sync      *Sync   `json:"sync,omitempty"`
	Live      *Live   `json:"live,omitempty"`
	Echo      *Echo   `json:"echo,omitempty"`
	Hooks     []Hook  `json:"hooks,omitempty"`
	Drafts    []Draft `json:"drafts,omitempty"`

	// AllowedHosts are names under which requests may reach this process, beside
	// localhost, loopback addresses and the host of PublicURL: host or host:port.
	AllowedHosts []string `json:"allowedHosts,omitempty"`

	flat bool // read from EventSync's form: written back in it

	anyOriginSends bool // DISABLE_CORS
}

// Service is one gate.
type Service struct {
	ServiceName  string       `json:"serviceName" config:"required"`
	Trigger      Trigger      `json:"trigger" config:"required"`
	Endpoints    []Endpoint   `json:"endpoints" config:"required"`
	TargetPubSub TargetPubSub `json:"targetPubSub" config:"required"`

	MaxEventBytes   int `json:"maxEventBytes"`   // default 1 MiB, at most 8 MiB
	MaxMessageBytes int `json:"maxMessageBytes"` // default and most: DefaultMaxMessageBytes; at least 1024
	RetentionDays   int `json:"retentionDays"`   // how long published messages can be read and replayed; default 7, at most MaxRetentionDays
	// AsyncEventTrigger answers a source once its event is stored and checks afterwards.
	AsyncEventTrigger bool `json:"asyncEventTrigger"`
	// RedactHeaders are dropped from events beside the built-in list of credentials, and
	// KeepHeaders kept in spite of it: names of headers, or of query parameters after "?".
	RedactHeaders []string `json:"redactHeaders,omitempty"`
	KeepHeaders   []string `json:"keepHeaders,omitempty"`
	// OnMessage says what each message of this service starts.
	OnMessage *OnMessage `json:"onMessage,omitempty"`
}

// OnMessage is what a message starts.
type OnMessage struct {
	Sync string `json:"sync" config:"required"` // id of a sync, run once per eventID
}

// Sync says what syncs may reach, and how they run.
type Sync struct {
	// Directory is the only one that files are read from and written to. Default:
	// the working directory; on Cloud Run none.
	Directory string `json:"directory,omitempty"`
	// AllowHosts are internal addresses that syncs may call all the same: host,
	// host:port, an IP address or a CIDR. Loopback is allowed off Cloud Run.
	AllowHosts []string `json:"allowHosts,omitempty"`
	// AllowHTTP permits unencrypted connections beyond loopback.
	AllowHTTP bool `json:"allowHTTP,omitempty"`
	// Secrets are the references that definitions may use. Omitted: on Cloud Run none;
	// elsewhere variables of the environment that begin with HEADGATE_SECRET_.
	Secrets []SyncSecret `json:"secrets,omitzero"`
	// RatePerSecond bounds the calls to one host. Default: 50.
	RatePerSecond int `json:"ratePerSecond,omitempty"`
	// WorkTopic hands a run to a new invocation, through a push subscription to
	// /sync/work. Without it a run stays in the process where it began.
	WorkTopic string `json:"workTopic,omitempty"`
	// MaxInvocationSeconds is how long one invocation works on a run before it
	// hands it on. Default: 240 on Cloud Run with a workTopic; otherwise no limit.
	MaxInvocationSeconds int `json:"maxInvocationSeconds,omitempty"`
}

// SyncSecret is a credential that definitions may refer to.
type SyncSecret struct {
	Ref string `json:"ref" config:"required"` // env:NAME, sm://projects/P/secrets/S[/versions/V]
	// Hosts that it may be sent to: host (at any port) or host:port.
	Hosts []string `json:"hosts" config:"required"`
}

// Trigger says when the window is released.
type Trigger struct {
	Type                  string `json:"type" config:"required"`              // window, none
	ObservationPeriod     int    `json:"observationPeriod" config:"required"` // seconds, 1..MaxObservationPeriod
	KeepEventAfterTrigger bool   `json:"keepEventAfterTrigger" config:"nullable"`
}

// Period is ObservationPeriod as a duration.
func (t Trigger) Period() time.Duration { return time.Duration(t.ObservationPeriod) * time.Second }

// Endpoint is one event source's address.
type Endpoint struct {
	EventKey            string   `json:"eventKey" config:"required"`
	AcceptedHTTPMethods []string `json:"acceptedHttpMethods,omitempty" config:"nullable"` // upper case; empty accepts all
	EventToSend         string   `json:"eventToSend" config:"nullable"`                   // ALL, FIRST, LAST, BOUNDARIES
	MinNbOfOccurrence   int      `json:"minNbOfOccurrence" config:"nullable"`             // default 1, at most MaxMinNbOfOccurrence
	Unwrap              string   `json:"unwrap,omitempty"`                                // "" or pubsub
	Shards              int      `json:"shards,omitempty"`                                // 0..MaxShards; see store.Endpoint
}

// TargetPubSub is where messages go.
type TargetPubSub struct {
	Topic string `json:"topic" config:"required"` // projects/P/topics/T
}

// Auth lists who may call. Without it everybody may (on Cloud Run, IAM decides).
type Auth struct {
	OIDC   *OIDC   `json:"oidc,omitempty"`
	Tokens []Token `json:"tokens,omitempty"`
}

// OIDC accepts Google-signed ID tokens.
type OIDC struct {
	Audiences []string `json:"audiences" config:"required"`
	Members   []Member `json:"members" config:"required"`
}

// Member is an account that may call.
type Member struct {
	Email string   `json:"email" config:"required"`
	Roles []string `json:"roles" config:"required"` // ingest, operate, read
}

// Token is a bearer token, known only by its hash.
type Token struct {
	Name   string   `json:"name" config:"required"`
	SHA256 string   `json:"sha256" config:"required"` // 64 hex digits
	Roles  []string `json:"roles" config:"required"`
}

// CORS lists the origins whose pages may call. "*" is any.
type CORS struct {
	AllowedOrigins []string `json:"allowedOrigins" config:"required"`
}

// Limits and defaults.
const (
	DefaultMaxEventBytes   = 1 << 20
	MaxMaxEventBytes       = 8 << 20
	DefaultMaxMessageBytes = 9_900_000 // Pub/Sub takes 10,000,000 with attributes and framing
	MinMaxMessageBytes     = 1024
	DefaultRetentionDays   = 7
	MaxRetentionDays       = 365
	MaxMinNbOfOccurrence   = 1_000_000
	MaxShards              = 64
	MaxObservationPeriod   = 366 * 24 * 3600
)
