package config

import (
	"net/textproto"
	"slices"
	"strings"

	"github.com/headgate/headgate/internal/platform/credential"
	"github.com/headgate/headgate/internal/platform/decode"
)

// validator applies the rules that look at more than one field, and normalises.
type validator struct{ decode.Faults }

func (v *validator) config(c *Config) {
	var names []string
	for i := range c.Services {
		path := c.ServicePath(i)
		v.service(path, &c.Services[i])
		v.timers(path+".timers", c, &c.Services[i])
		v.unique("services", "serviceName", names, c.Services[i].ServiceName, path+".serviceName")
		names = append(names, c.Services[i].ServiceName)
	}
	c.PublicURL = strings.TrimRight(c.PublicURL, "/")
	if c.Auth != nil {
		v.auth(c.Auth)
	}
	if c.Sync != nil {
		v.sync(c.Sync)
	}
	v.declared(c.Syncs)
	if c.Live != nil {
		v.live(c.Live)
	}
	if c.Echo != nil {
		v.echo(c.Echo)
	}
	var drafts, hooks []string
	for i := range c.Drafts {
		p := decode.Index("$.drafts", i)
		v.draft(p, &c.Drafts[i])
		v.unique("drafts", "name", drafts, c.Drafts[i].Name, p+".name")
		drafts = append(drafts, c.Drafts[i].Name)
	}
	for i := range c.Hooks {
		p := decode.Index("$.hooks", i)
		v.hook(p, &c.Hooks[i], c.Services)
		v.unique("hooks", "name", hooks, c.Hooks[i].Name, p+".name")
		hooks = append(hooks, c.Hooks[i].Name)
	}
}

func (v *validator) service(path string, s *Service) {
	var keys []string
	for i := range s.Endpoints {
		e := &s.Endpoints[i]
		e.AcceptedHTTPMethods = deduplicate(e.AcceptedHTTPMethods)
		v.unique("endpoints", "eventKey", keys, e.EventKey, decode.Index(path+".endpoints", i)+".eventKey")
		keys = append(keys, e.EventKey)
	}
	v.targets(path, s)
	v.gate(path, s)
	s.RedactHeaders = canonical(s.RedactHeaders)
	s.KeepHeaders = canonical(s.KeepHeaders)
	for i, h := range s.KeepHeaders {
		switch {
		case slices.Contains(callers, h):
			v.Add(decode.Index(path+".keepHeaders", i), "%s has the credentials of Headgate's own callers, and is never kept", h)
		case slices.Contains(s.RedactHeaders, h):
			v.Add(decode.Index(path+".keepHeaders", i), "%q is in redactHeaders too", decode.Short(h))
		}
	}
}

// callers has the headers by which callers of Headgate authenticate.
var callers = []string{"Authorization", "X-Serverless-Authorization", "X-Forwarded-Authorization", "Proxy-Authorization", "X-Goog-Iap-Jwt-Assertion"}

// canonical spells the names of headers as net/http does. Those of query parameters,
// which begin with "?", stay as they are.
func canonical(names []string) []string {
	for i, h := range names {
		if !strings.HasPrefix(h, "?") {
			names[i] = textproto.CanonicalMIMEHeaderKey(h)
		}
	}
	return deduplicate(names)
}

// secret checks a reference to a credential, or else the credential itself by a rule.
// The credential behind a reference is not known here.
func (v *validator) secret(path, value string, rule func(secret string) string) {
	check := rule
	if credential.IsReference(value) {
		check = wrongReference
	}
	if wrong := check(value); wrong != "" {
		v.Add(path, "%s", wrong)
	}
}

// rotated checks the fields secret and formerSecret of an object. Either may be "", which
// the rule must accept.
func (v *validator) rotated(path, secret, former string, rule func(secret string) string) {
	v.secret(path+".secret", secret, rule)
	path += ".formerSecret"
	switch {
	case former == "":
	case secret == "":
		v.Add(path, "goes with secret")
	case former == secret:
		v.Add(path, "is the same as secret: name the one before the change, or leave it out")
	}
	v.secret(path, former, rule)
}

func (v *validator) auth(a *Auth) {
	if a.IAP == nil && a.OIDC == nil && len(a.Tokens) == 0 {
		v.Add("$.auth", `must have "iap", "oidc" or "tokens": without "auth", everybody may call`)
	}
	switch {
	case len(a.Members) > 0 && a.IAP == nil && a.OIDC == nil && len(a.Tokens) > 0:
		v.Add("$.auth.members", "sign in by iap or oidc, and neither is there")
	case len(a.Members) == 0 && a.IAP != nil:
		v.Add("$.auth.members", "must have at least one member, or iap lets nobody in")
	case len(a.Members) == 0 && a.OIDC != nil && a.OIDC.Members == nil:
		v.Add("$.auth.oidc.members", "is required where auth has no members")
	}
	v.members("$.auth.members", a.Members)
	if a.OIDC != nil {
		v.members("$.auth.oidc.members", a.OIDC.Members)
	}
	var names []string
	for i := range a.Tokens {
		t := &a.Tokens[i]
		v.unique("tokens", "name", names, t.Name, decode.Index("$.auth.tokens", i)+".name")
		names = append(names, t.Name)
		t.SHA256 = strings.ToLower(t.SHA256)
		t.Roles = deduplicate(t.Roles)
	}
}

func (v *validator) members(path string, members []Member) {
	var emails []string
	for i := range members {
		m := &members[i]
		email := strings.ToLower(m.Email)
		v.unique("members", "email", emails, email, decode.Index(path, i)+".email")
		emails = append(emails, email)
		m.Roles = deduplicate(m.Roles)
	}
}

// unique compares s with those before it in the list.
func (v *validator) unique(list, field string, before []string, s, path string) {
	if i := slices.Index(before, s); i >= 0 && s != "" {
		v.Add(path, "%s[%d] and %s[%d] have the same %s %q", list, i, list, len(before), field, decode.Short(s))
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
