package config

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"slices"
	"strings"

	"github.com/headgate/headgate/internal/platform/credential"
)

//go:embed example.json
var exampleJSON []byte

//go:embed schema.json
var schemaJSON []byte

// Example returns a valid configuration to start from.
func Example() []byte { return bytes.Clone(exampleJSON) }

// Schema returns the configuration's JSON Schema (2020-12). It is stricter than Parse
// where letter case is concerned (field names), and cannot say that names are unique.
func Schema() []byte { return bytes.Clone(schemaJSON) }

// ApplyEnv applies EventSync's environment variables, which win over the file:
// ASYNC_EVENT_TRIGGER (true) answers sources before the check, in every service,
// and DISABLE_CORS (any value) lets pages of any origin send events, and do nothing else.
func (c *Config) ApplyEnv(getenv func(string) string) {
	if strings.EqualFold(getenv("ASYNC_EVENT_TRIGGER"), "true") { // and by no other spelling, as in EventSync
		for i := range c.Services {
			c.Services[i].AsyncEventTrigger = true
		}
	}
	if getenv("DISABLE_CORS") != "" {
		c.anyOriginSends = true
	}
}

// AnyOriginSends reports whether pages of any origin may send events.
func (c *Config) AnyOriginSends() bool { return c.anyOriginSends }

// JSON returns the effective configuration in the form in which it was read, without
// credentials.
func (c *Config) JSON() []byte {
	shown := *c
	if c.Auth != nil && c.Auth.Tokens != nil {
		auth := *c.Auth
		auth.Tokens = slices.Clone(auth.Tokens)
		for i := range auth.Tokens {
			auth.Tokens[i].SHA256 = credential.Redacted
		}
		shown.Auth = &auth
	}
	if c.Live != nil {
		shown.Live = c.Live.shown()
	}
	if c.Echo != nil {
		echo := *c.Echo
		echo.Upstream, echo.Broadcast = credential.RedactURL(echo.Upstream), credential.RedactURL(echo.Broadcast)
		echo.Secrets = redactSecrets(echo.Secrets)
		shown.Echo = &echo
	}
	shown.Services = slices.Clone(c.Services)
	for i := range shown.Services {
		shown.Services[i] = shown.Services[i].shown()
	}
	shown.Syncs = shownSyncs(c.Syncs)
	shown.Hooks = slices.Clone(c.Hooks)
	for i := range shown.Hooks {
		shown.Hooks[i].Verify.Secrets = redactSecrets(shown.Hooks[i].Verify.Secrets)
	}
	shown.Drafts = slices.Clone(c.Drafts)
	for i, d := range shown.Drafts {
		if d.ExternalData != nil {
			external := *d.ExternalData
			external.URL = credential.RedactURL(external.URL)
			shown.Drafts[i].ExternalData = &external
		}
	}
	if !c.flat || len(c.Services) != 1 {
		return marshal(shown)
	}
	return marshal(flat{shown.Services[0], shown.Deployment})
}

// shown returns a copy of l without credentials.
func (l *Live) shown() *Live {
	live := *l
	live.Resolvers = slices.Clone(l.Resolvers)
	for i := range live.Resolvers {
		live.Resolvers[i].URL = credential.RedactURL(live.Resolvers[i].URL)
	}
	if l.PassThrough != nil {
		pass := *l.PassThrough
		pass.URL = credential.RedactURL(pass.URL)
		live.PassThrough = &pass
	}
	if l.Token != nil {
		token := *l.Token
		token.Secret, token.FormerSecret = redactSecret(token.Secret), redactSecret(token.FormerSecret)
		token.JWKSURL = credential.RedactURL(token.JWKSURL)
		live.Token = &token
	}
	return &live
}

// JSON returns the service's effective configuration, without credentials.
func (s Service) JSON() []byte { return marshal(s.shown()) }

func marshal(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		panic(err) // structs of strings, integers and booleans always encode
	}
	return b.Bytes()
}
