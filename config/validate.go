package config

import (
	"net"
	"net/textproto"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/headgate/headgate/internal/platform/credential"
)

var (
	methods     = []string{"GET", "POST", "OPTIONS", "HEAD", "PUT", "DELETE", "TRACE", "CONNECT", "PATCH"}
	selections  = []string{"ALL", "FIRST", "LAST", "BOUNDARIES"}
	roles       = []string{"ingest", "operate", "read"}
	projectID   = regexp.MustCompile(`^([a-z0-9.-]+:)?[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)
	topicName   = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9\-_.~+%]{2,254}$`)
	httpURL     = regexp.MustCompile(`^[Hh][Tt][Tt][Pp][Ss]?://[^/?#@\s]+(/[^?#\s]*)?$`)
	origin      = regexp.MustCompile(`^(\*|[A-Za-z][A-Za-z0-9+.-]*://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?)$`)
	hostPort    = regexp.MustCompile(`^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?$|^[0-9A-Fa-f:.]+$`)
	livePath    = regexp.MustCompile(`^/[^{}?#\s]+$`) // braces are wildcards to the router
	email       = regexp.MustCompile(`^[^@\s]+@[^@\s]+$`)
	hexSHA256   = regexp.MustCompile(`^[0-9A-Fa-f]{64}$`)
	envName     = regexp.MustCompile(`^env:[^=\s\x00]+$`)
	headerToken = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")
)

// validator applies the rules to what was decoded, and normalises it.
type validator struct{ *decoder }

// fault is dropped where decoding already found one.
func (v *validator) fault(path, format string, args ...any) {
	for p := path; p != ""; p = p[:max(strings.LastIndexAny(p, ".["), 0)] {
		if v.broken[p] {
			return
		}
	}
	v.add(path, format, args...)
}

func (v *validator) config(c *Config) {
	if !c.flat && len(c.Services) == 0 {
		v.fault("$.services", "must have at least one service")
	}
	var names []string
	for i := range c.Services {
		path := "$"
		if !c.flat {
			path = index("$.services", i)
		}
		v.service(path, &c.Services[i])
		v.unique("services", "serviceName", names, c.Services[i].ServiceName, path+".serviceName")
		names = append(names, c.Services[i].ServiceName)
	}
	if c.PublicURL != "" {
		v.publicURL(c)
	}
	for i, h := range c.AllowedHosts {
		if !hostPort.MatchString(h) {
			v.fault(index("$.allowedHosts", i), "must be a host or host:port, not %q", short(h))
		}
	}
	if c.Auth != nil {
		v.auth(c.Auth)
	}
	if c.Sync != nil {
		v.sync(c.Sync)
	}
	if c.Live != nil {
		v.live(c.Live)
	}
	if c.Echo != nil {
		v.echo(c.Echo)
	}
	var drafts, hooks []string
	for i := range c.Drafts {
		p := index("$.drafts", i)
		v.draft(p, &c.Drafts[i])
		v.unique("drafts", "name", drafts, c.Drafts[i].Name, p+".name")
		drafts = append(drafts, c.Drafts[i].Name)
	}
	for i := range c.Hooks {
		p := index("$.hooks", i)
		v.hook(p, &c.Hooks[i])
		v.unique("hooks", "name", hooks, c.Hooks[i].Name, p+".name")
		hooks = append(hooks, c.Hooks[i].Name)
	}
	if c.CORS != nil {
		if len(c.CORS.AllowedOrigins) == 0 {
			v.fault("$.cors.allowedOrigins", "must have at least one origin")
		}
		for i, o := range c.CORS.AllowedOrigins {
			if !origin.MatchString(o) {
				v.fault(index("$.cors.allowedOrigins", i), `must be "*" or scheme://host[:port], not %q`, short(o))
			}
		}
	}
}

func (v *validator) sync(s *Sync) {
	for i, h := range s.AllowHosts {
		_, _, notCIDR := net.ParseCIDR(h)
		if notCIDR != nil && !hostPort.MatchString(h) {
			v.fault(index("$.sync.allowHosts", i), "must be a host, host:port, an IP address or a CIDR, not %q", short(h))
		}
	}
	var refs []string
	for i, x := range s.Secrets {
		p := index("$.sync.secrets", i)
		v.reference(p+".ref", x.Ref)
		if !credential.IsReference(x.Ref) {
			v.fault(p+".ref", "must be env:NAME or sm://projects/P/secrets/S, and never the secret itself")
		}
		v.unique("secrets", "ref", refs, x.Ref, p+".ref")
		refs = append(refs, x.Ref)
		if len(x.Hosts) == 0 {
			v.fault(p+".hosts", "must have at least one host")
		}
		for j, h := range x.Hosts {
			if !hostPort.MatchString(h) {
				v.fault(index(p+".hosts", j), "must be a host or host:port, not %q", short(h))
			}
		}
	}
	if s.WorkTopic != "" {
		v.topic("$.sync.workTopic", s.WorkTopic)
	}
	if s.RatePerSecond < 0 || s.RatePerSecond > 10_000 {
		v.fault("$.sync.ratePerSecond", "must be from 0 to 10000; 0 is the default")
	}
	if s.MaxInvocationSeconds < 0 || s.MaxInvocationSeconds > 3600 {
		v.fault("$.sync.maxInvocationSeconds", "must be from 0 to 3600; 0 is the default")
	}
}

// reference checks the form of a reference to a credential, if it is one.
func (v *validator) reference(path, value string) {
	switch {
	case strings.HasPrefix(value, "env:") && !envName.MatchString(value):
		v.fault(path, "%q names no variable of the environment: env:NAME", short(value))
	case credential.IsManaged(value):
		if _, ok := credential.Managed(value); !ok {
			v.fault(path, "%q is not the name of a secret: sm://projects/P/secrets/S/versions/V", short(value))
		}
	}
}

func (v *validator) publicURL(c *Config) {
	u, err := url.Parse(c.PublicURL)
	if err != nil || u.Hostname() == "" || !httpURL.MatchString(c.PublicURL) {
		v.fault("$.publicURL", "must be an absolute http or https URL without user, query and fragment, not %q", short(c.PublicURL))
	}
	c.PublicURL = strings.TrimRight(c.PublicURL, "/")
}

func (v *validator) service(path string, s *Service) {
	v.notEmpty(path+".serviceName", s.ServiceName)
	if s.Trigger.Type != "window" && s.Trigger.Type != "none" {
		v.fault(path+".trigger.type", `must be "window" or "none", not %q`, short(s.Trigger.Type))
	}
	if p := s.Trigger.ObservationPeriod; p < 1 || p > MaxObservationPeriod {
		v.fault(path+".trigger.observationPeriod", "must be from 1 to %d seconds (366 days)", MaxObservationPeriod)
	}
	if len(s.Endpoints) < 2 {
		v.fault(path+".endpoints", "has fewer than two endpoints")
	}
	var keys []string
	for i := range s.Endpoints {
		p := index(path+".endpoints", i)
		v.endpoint(p, &s.Endpoints[i])
		v.unique("endpoints", "eventKey", keys, s.Endpoints[i].EventKey, p+".eventKey")
		keys = append(keys, s.Endpoints[i].EventKey)
	}
	v.topic(path+".targetPubSub.topic", s.TargetPubSub.Topic)
	if s.OnMessage != nil && !PlainID(s.OnMessage.Sync) {
		v.fault(path+".onMessage.sync", "must be the id of a sync, not %q", short(s.OnMessage.Sync))
	}
	v.integer(path+".maxEventBytes", &s.MaxEventBytes, DefaultMaxEventBytes, 1, MaxMaxEventBytes)
	v.integer(path+".maxMessageBytes", &s.MaxMessageBytes, DefaultMaxMessageBytes, MinMaxMessageBytes, DefaultMaxMessageBytes)
	v.integer(path+".retentionDays", &s.RetentionDays, DefaultRetentionDays, 1, MaxRetentionDays)
	s.RedactHeaders = v.kept(path+".redactHeaders", s.RedactHeaders)
	s.KeepHeaders = v.kept(path+".keepHeaders", s.KeepHeaders)
	for i, h := range s.KeepHeaders {
		switch {
		case slices.Contains(callers, h):
			v.fault(index(path+".keepHeaders", i), "%s has the credentials of Headgate's own callers, and is never kept", h)
		case slices.Contains(s.RedactHeaders, h):
			v.fault(index(path+".keepHeaders", i), "%q is in redactHeaders too", short(h))
		}
	}
}

// callers are the headers with which callers of Headgate prove who they are.
var callers = []string{"Authorization", "X-Serverless-Authorization", "X-Forwarded-Authorization", "Proxy-Authorization"}

// kept checks names of headers, or of query parameters after "?".
func (v *validator) kept(path string, names []string) []string {
	for i, h := range names {
		switch {
		case len(h) > 1 && h[0] == '?':
		case !headerToken.MatchString(h):
			v.fault(index(path, i), "must be the name of an HTTP header, or of a query parameter after \"?\", not %q", short(h))
		default:
			names[i] = textproto.CanonicalMIMEHeaderKey(h)
		}
	}
	return deduplicate(names)
}

func (v *validator) endpoint(path string, e *Endpoint) {
	v.notEmpty(path+".eventKey", e.EventKey)
	if e.EventKey != "" {
		for segment := range strings.SplitSeq(e.EventKey, "/") {
			if segment == "" || segment == "." || segment == ".." {
				v.fault(path+".eventKey", `%q cannot be a URL's path: a segment is empty, "." or ".."`, short(e.EventKey))
				break
			}
		}
	}
	for i, m := range e.AcceptedHTTPMethods {
		e.AcceptedHTTPMethods[i] = v.oneOf(index(path+".acceptedHttpMethods", i), strings.ToUpper(m), methods)
	}
	e.AcceptedHTTPMethods = deduplicate(e.AcceptedHTTPMethods)
	if e.EventToSend == "" {
		e.EventToSend = "ALL"
	}
	e.EventToSend = v.oneOf(path+".eventToSend", strings.ToUpper(e.EventToSend), selections)
	v.integer(path+".minNbOfOccurrence", &e.MinNbOfOccurrence, 1, 1, MaxMinNbOfOccurrence)
	if e.Unwrap != "" && e.Unwrap != "pubsub" {
		v.fault(path+".unwrap", `must be "pubsub" or "", not %q`, short(e.Unwrap))
	}
	v.integer(path+".shards", &e.Shards, 0, 0, MaxShards)
}

// topic applies Pub/Sub's rules for resource names. Projects may be shorter than
// Google's, because an emulator's are.
func (v *validator) topic(path, topic string) {
	part := strings.Split(topic, "/")
	switch {
	case strings.ContainsAny(topic, "<>"):
		v.fault(path, "%q has a placeholder: put the real name in its place", short(topic))
	case len(part) != 4 || part[0] != "projects" || part[2] != "topics":
		v.fault(path, "must be projects/<project>/topics/<name>, not %q", short(topic))
	case !projectID.MatchString(part[1]):
		v.fault(path, "%q is not a project id", short(part[1]))
	case !topicName.MatchString(part[3]):
		v.fault(path, "%q is not a topic's name: 3 to 255 letters, digits and -_.~+%%, the first a letter", short(part[3]))
	case strings.HasPrefix(part[3], "goog"):
		v.fault(path, `%q is not a topic's name: those that start with "goog" are reserved`, short(part[3]))
	}
}

func (v *validator) auth(a *Auth) {
	if a.OIDC == nil && len(a.Tokens) == 0 {
		v.fault("$.auth", `must have "oidc" or "tokens": without "auth", everybody may call`)
	}
	if a.OIDC != nil {
		v.oidc(a.OIDC)
	}
	var names []string
	for i := range a.Tokens {
		t, path := &a.Tokens[i], index("$.auth.tokens", i)
		v.notEmpty(path+".name", t.Name)
		v.unique("tokens", "name", names, t.Name, path+".name")
		names = append(names, t.Name)
		switch {
		case t.SHA256 == credential.Redacted:
			v.fault(path+".sha256", "%q stands for a hash that is not shown: put the hash itself", credential.Redacted)
		case !hexSHA256.MatchString(t.SHA256): // not shown: it may be the token itself
			v.fault(path+".sha256", "must be the 64 hex digits of the token's SHA-256")
		}
		t.SHA256 = strings.ToLower(t.SHA256)
		t.Roles = v.roles(path+".roles", t.Roles)
	}
}

func (v *validator) oidc(o *OIDC) {
	if len(o.Audiences) == 0 {
		v.fault("$.auth.oidc.audiences", "must have at least one audience")
	}
	for i, a := range o.Audiences {
		v.notEmpty(index("$.auth.oidc.audiences", i), a)
	}
	if len(o.Members) == 0 {
		v.fault("$.auth.oidc.members", "must have at least one member")
	}
	var emails []string
	for i := range o.Members {
		m, path := &o.Members[i], index("$.auth.oidc.members", i)
		if !email.MatchString(m.Email) {
			v.fault(path+".email", "must be an e-mail address, not %q", short(m.Email))
		}
		v.unique("members", "email", emails, strings.ToLower(m.Email), path+".email")
		emails = append(emails, strings.ToLower(m.Email))
		m.Roles = v.roles(path+".roles", m.Roles)
	}
}

func (v *validator) roles(path string, list []string) []string {
	if len(list) == 0 {
		v.fault(path, "must have at least one role")
	}
	for i, r := range list {
		v.oneOf(index(path, i), r, roles)
	}
	return deduplicate(list)
}

func (v *validator) notEmpty(path, s string) {
	if s == "" {
		v.fault(path, "must not be empty")
	}
}

// unique compares s with those before it in the list.
func (v *validator) unique(list, field string, before []string, s, path string) {
	if i := slices.Index(before, s); i >= 0 && s != "" {
		v.fault(path, "%s[%d] and %s[%d] have the same %s %q", list, i, list, len(before), field, short(s))
	}
}

func (v *validator) oneOf(path, s string, known []string) string {
	if !slices.Contains(known, s) {
		v.fault(path, "must be one of %s, not %q", strings.Join(known, ", "), short(s))
	}
	return s
}

// integer checks a range; 0 is the default.
func (v *validator) integer(path string, i *int, byDefault, least, most int) {
	if *i == 0 {
		*i = byDefault
	}
	if *i < least || *i > most {
		v.fault(path, "must be from %d to %d", least, most)
	}
}

// deduplicate keeps the first of each; an empty list is nil.
func deduplicate(list []string) []string {
	var unique []string
	for _, s := range list {
		if !slices.Contains(unique, s) {
			unique = append(unique, s)
		}
	}
	return unique
}
