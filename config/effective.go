package config

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

//go:embed example.json
var example []byte

//go:embed schema.json
var schema []byte

// Example is a valid configuration to start from.
func Example() []byte { return bytes.Clone(example) }

// Schema is the configuration's JSON Schema (2020-12). It is stricter than Parse
// where letter case is concerned (field names), and cannot say that names are unique.
func Schema() []byte { return bytes.Clone(schema) }

// ApplyEnv applies EventSync's environment variables, which win over the file:
// ASYNC_EVENT_TRIGGER (true) answers sources before the check, in every service,
// and DISABLE_CORS (any value) lets pages of any origin call.
func (c *Config) ApplyEnv(getenv func(string) string) {
	if async, err := strconv.ParseBool(strings.ToLower(getenv("ASYNC_EVENT_TRIGGER"))); err == nil && async {
		for i := range c.Services {
			c.Services[i].AsyncEventTrigger = true
		}
	}
	if getenv("DISABLE_CORS") != "" {
		c.CORS = &CORS{AllowedOrigins: []string{"*"}}
	}
}

// JSON is the effective configuration, in the form in which it was read and with
// the hashes of tokens redacted.
func (c *Config) JSON() []byte {
	shown := *c
	if c.Auth != nil && c.Auth.Tokens != nil {
		auth := *c.Auth
		auth.Tokens = slices.Clone(auth.Tokens)
		for i := range auth.Tokens {
			auth.Tokens[i].SHA256 = redacted
		}
		shown.Auth = &auth
	}
	if c.Live != nil && c.Live.Token != nil && c.Live.Token.Secret != "" && !isReference(c.Live.Token.Secret) {
		live, token := *c.Live, *c.Live.Token
		token.Secret = redacted
		live.Token = &token
		shown.Live = &live
	}
	if c.Echo != nil {
		echo := *c.Echo
		echo.Secrets = redactSecrets(echo.Secrets)
		shown.Echo = &echo
	}
	shown.Hooks = slices.Clone(c.Hooks)
	for i := range shown.Hooks {
		shown.Hooks[i].Verify.Secrets = redactSecrets(shown.Hooks[i].Verify.Secrets)
	}
	if !c.flat || len(c.Services) != 1 {
		return marshal(shown)
	}
	return marshal(struct {
		Service
		PublicURL string  `json:"publicURL,omitempty"`
		Auth      *Auth   `json:"auth,omitempty"`
		CORS      *CORS   `json:"cors,omitempty"`
		Sync      *Sync   `json:"sync,omitempty"`
		Live      *Live   `json:"live,omitempty"`
		Echo      *Echo   `json:"echo,omitempty"`
		Hooks     []Hook  `json:"hooks,omitempty"`
		Drafts    []Draft `json:"drafts,omitempty"`
	}{c.Services[0], c.PublicURL, shown.Auth, c.CORS, c.Sync, shown.Live, shown.Echo, shown.Hooks, c.Drafts})
}

// isReference is whether a credential only says where it is.
func isReference(s string) bool { return strings.HasPrefix(s, "env:") || strings.HasPrefix(s, "sm://") }

// JSON is the service's effective configuration.
func (s Service) JSON() []byte { return marshal(s) }

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
