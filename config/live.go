package config

import "net/url"

// Live is the push of changes to clients.
type Live struct {
	// Path of the WebSocket. Default: /ws/entity-sync/, entity-sync's.
	Path string `json:"path,omitempty"`
	// Topic carries signals between instances. Without it, on Cloud Run, nothing is live.
	Topic string `json:"topic,omitempty"`
	// AllowedOrigins are those of pages that may connect beside our own: a host,
	// with wildcards, or "*".
	AllowedOrigins []string `json:"allowedOrigins,omitempty"`
	// Resolvers find entities that are no records of ours.
	Resolvers []LiveResolver `json:"resolvers,omitempty"`
	// PassThrough takes the frames that are not for us.
	PassThrough *LivePassThrough `json:"passThrough,omitempty"`
	// Token accepts signed tokens (JWT) whose claim "entities" lists what they may
	// subscribe to.
	Token *LiveToken `json:"token,omitempty"`

	MaxSubscriptions     int `json:"maxSubscriptions,omitempty"`     // of a connection; default 1000
	MaxFrameBytes        int `json:"maxFrameBytes,omitempty"`        // from a client; default 64 KiB
	FramesPerSecond      int `json:"framesPerSecond,omitempty"`      // from a client; default 50
	MaxConnectionSeconds int `json:"maxConnectionSeconds,omitempty"` // default: 3300 on Cloud Run, else no end
	CompareSeconds       int `json:"compareSeconds,omitempty"`       // between comparisons of versions; default 300
}

// LiveResolver is the service that has the entities of a type.
type LiveResolver struct {
	Entity string `json:"entity" config:"required"` // "report", or "acme/report" of one organisation
	URL    string `json:"url" config:"required"`    // with {org}, {type} and {id}
	// TimeoutSeconds of a call; default 5.
	TimeoutSeconds int `json:"timeoutSeconds,omitempty"`
}

// LivePassThrough is a URL or a topic.
type LivePassThrough struct {
	URL   string `json:"url,omitempty"`
	Topic string `json:"topic,omitempty"`
}

// LiveToken says which tokens are good.
type LiveToken struct {
	Secret   string `json:"secret,omitempty"`  // HS256: env:NAME, sm://…, or the secret itself, of 32 bytes or more
	JWKSURL  string `json:"jwksURL,omitempty"` // RS256 and ES256: the public keys
	Issuer   string `json:"issuer,omitempty"`
	Audience string `json:"audience" config:"required"`
}

func (v *validator) live(l *Live) {
	if l.Path != "" && !livePath.MatchString(l.Path) {
		v.fault("$.live.path", "must begin with / and have no braces, spaces, ? or #, not %q", short(l.Path))
	}
	if l.Topic != "" {
		v.topic("$.live.topic", l.Topic)
	}
	for i, r := range l.Resolvers {
		p := index("$.live.resolvers", i)
		v.notEmpty(p+".entity", r.Entity)
		v.httpURL(p+".url", r.URL)
		v.span(p+".timeoutSeconds", r.TimeoutSeconds, 0, 60)
	}
	if t := l.PassThrough; t != nil {
		switch {
		case (t.URL == "") == (t.Topic == ""):
			v.fault("$.live.passThrough", "must have url or topic")
		case t.URL != "":
			v.httpURL("$.live.passThrough.url", t.URL)
		default:
			v.topic("$.live.passThrough.topic", t.Topic)
		}
	}
	if t := l.Token; t != nil {
		v.reference("$.live.token.secret", t.Secret)
		if (t.Secret == "") == (t.JWKSURL == "") {
			v.fault("$.live.token", "must have secret or jwksURL")
		}
		if t.JWKSURL != "" {
			v.httpURL("$.live.token.jwksURL", t.JWKSURL)
		}
		v.notEmpty("$.live.token.audience", t.Audience)
	}
	v.span("$.live.maxSubscriptions", l.MaxSubscriptions, 0, 100_000)
	v.span("$.live.maxFrameBytes", l.MaxFrameBytes, 0, 16<<20)
	v.span("$.live.framesPerSecond", l.FramesPerSecond, 0, 10_000)
	v.span("$.live.maxConnectionSeconds", l.MaxConnectionSeconds, 0, 24*3600)
	v.span("$.live.compareSeconds", l.CompareSeconds, 0, 24*3600)
}

func (v *validator) span(path string, n, least, most int) {
	if n < least || n > most {
		v.fault(path, "must be from %d to %d; 0 is the default", least, most)
	}
}

func (v *validator) httpURL(path, text string) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		v.fault(path, "must be an http or https URL, not %q", short(text))
	}
}
