package config

import (
	"github.com/headgate/headgate/internal/platform/decode"
	"github.com/headgate/headgate/internal/webhook/expression"
)

// Live is the push of changes to clients.
type Live struct {
	// The WebSocket's path. The default is entity-sync's.
	Path string `json:"path,omitempty" default:"/ws/entity-sync/" format:"socketPath"`
	// The Pub/Sub topic, projects/P/topics/T, that carries signals between instances. Without it a client hears at once only of changes made through its own instance.
	Topic string `json:"topic,omitempty" format:"topic"`
	// Pages that may connect beside our own: a host, with wildcards, or *.
	AllowedOrigins []string `json:"allowedOrigins,omitempty"`
	// Services that have entities which are no records of ours.
	Resolvers []LiveResolver `json:"resolvers,omitempty"`
	// Takes frames that are not for us: by a url or a topic.
	PassThrough *LivePassThrough `json:"passThrough,omitempty"`
	// Internal addresses that resolvers, the pass-through and the keys of tokens may have all the same: host, host:port, an IP address or a CIDR. Loopback is allowed off Cloud Run.
	AllowHosts []string `json:"allowHosts,omitempty" format:"network"`
	// true: their calls beyond loopback may be unencrypted.
	AllowHTTP bool `json:"allowHTTP,omitempty"`
	// Signed tokens (JWT) whose claim entities lists what they may subscribe to. They are checked with a secret or a jwksURL.
	Token *LiveToken `json:"token,omitempty"`

	// The most subscriptions of a connection.
	MaxSubscriptions int `json:"maxSubscriptions,omitempty" default:"1000" range:"1..100000"`
	// The largest frame from a client, in bytes.
	MaxFrameBytes int `json:"maxFrameBytes,omitempty" default:"65536" range:"1..16777216"`
	// The most frames from a client in a second.
	FramesPerSecond int `json:"framesPerSecond,omitempty" default:"50" range:"1..10000"`
	// The seconds after which connections end; each ends a little earlier, at a time of its own. 0: 3300 on Cloud Run, otherwise never.
	MaxConnectionSeconds int `json:"maxConnectionSeconds,omitempty" range:"0..86400"`
	// The seconds between comparisons of versions, which make up for lost signals.
	CompareSeconds int `json:"compareSeconds,omitempty" default:"300" range:"1..86400"`
}

// LiveResolver is the service that has the entities of a type.
type LiveResolver struct {
	// The type, of every organisation; or organisation/type.
	Entity string `json:"entity" decode:"required"`
	// Called with GET; {org}, {type} and {id} are filled in. The client's secret is in X-Client-Secret.
	URL string `json:"url" decode:"required" format:"httpURL"`
	// The seconds that a call may take.
	TimeoutSeconds int `json:"timeoutSeconds,omitempty" default:"5" range:"1..60"`
	// CEL over the answer's body and headers: the version, which decides whether an answer is new. Omitted, or empty text: its ETag, or else its bytes.
	Version string `json:"version,omitempty"`
}

// LivePassThrough is a URL or a topic.
type LivePassThrough struct {
	// Called with POST.
	URL string `json:"url,omitempty" format:"httpURL"`
	// A Pub/Sub topic, projects/P/topics/T.
	Topic string `json:"topic,omitempty" format:"topic"`
}

// LiveToken says which tokens are valid.
type LiveToken struct {
	// HS256: env:NAME, sm://projects/P/secrets/S, or the secret itself, of 32 bytes or more.
	Secret string `json:"secret,omitempty" decode:"secret"`
	// HS256: the secret before the latest change. Tokens that it signed are valid as well, until it is removed.
	FormerSecret string `json:"formerSecret,omitempty" decode:"secret"`
	// RS256 and ES256: where the public keys are.
	JWKSURL string `json:"jwksURL,omitempty" format:"httpURL"`
	// The issuer that tokens must have. Omitted: any.
	Issuer string `json:"issuer,omitempty"`
	// The audience that tokens must have.
	Audience string `json:"audience" decode:"required"`
}

// MinTokenSecret is the least that HS256 is safe with, in bytes (RFC 7518, 3.2). The
// check of a token refuses every one where the secret has fewer.
const MinTokenSecret = 32

// LiveSettings returns the section "live", with the defaults where it is omitted.
func (c *Config) LiveSettings() *Live {
	l := new(Live)
	if c.Live != nil {
		*l = *c.Live
	}
	new(decode.Faults).Fill(l)
	return l
}

func (v *validator) live(l *Live) {
	for i, r := range l.Resolvers {
		if r.Version == "" {
			continue
		}
		if _, err := expression.Compile(r.Version); err != nil {
			v.Add(decode.Index("$.live.resolvers", i)+".version", "is not a valid expression: %s", err)
		}
	}
	if t := l.PassThrough; t != nil && (t.URL == "") == (t.Topic == "") {
		v.Add("$.live.passThrough", "must have url or topic")
	}
	if t := l.Token; t != nil {
		if (t.Secret == "") == (t.JWKSURL == "") {
			v.Add("$.live.token", "must have secret or jwksURL")
		}
		v.rotated("$.live.token", t.Secret, t.FormerSecret, func(s string) string {
			if s != "" && len(s) < MinTokenSecret {
				return "is too short for HS256: it must have at least 32 bytes"
			}
			return ""
		})
	}
}
