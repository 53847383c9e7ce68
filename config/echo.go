package config

import (
	"slices"
	"strings"
	"time"

	"github.com/headgate/headgate/internal/platform/credential"
	"github.com/headgate/headgate/internal/platform/decode"
	"github.com/headgate/headgate/internal/webhook/expression"
	"github.com/headgate/headgate/internal/webhook/signature"
)

// Echo is the webhooks of one source of truth, and those of ours that pass them on.
type Echo struct {
	// The source's address: we register with it at start, and when a session opens.
	Upstream string `json:"upstream,omitempty" format:"httpURL"`
	// Lists for which we stay registered with upstream. Omitted: task-list-1 from the start until its last session ends.
	Lists []string `json:"lists,omitempty"`
	// The Fluid service that gets a signal for each session of a list that changed, at /{tenantId}/{documentId}/broadcast-signal.
	Broadcast string `json:"broadcast,omitempty" format:"httpURL"`
	// Any of them verifies its webhooks (Standard Webhooks): env:NAME, sm://projects/P/secrets/S, or whsec_ and base64. None: every webhook is taken.
	Secrets []string `json:"secrets,omitempty" decode:"secret"`
	// Hosts that may be registered as webhooks without being asked; internal ones may be called.
	AllowTargets []string `json:"allowTargets,omitempty" format:"host"`
	// The largest body of a webhook of the source, in bytes.
	MaxBytes int `json:"maxBytes" default:"1048576" range:"1..26214400"`
}

// maxList bounds the id of a list, in bytes.
const maxList = 256

// Hook is a webhook that is taken at /hooks/{name}.
type Hook struct {
	// The path's last part.
	Name string `json:"name" decode:"required" format:"name"`
	// How the sender proves who it is.
	Verify HookVerify `json:"verify" decode:"required"`
	// CEL over body and headers: the webhook's name, by which one that is sent again counts once. Omitted: the sender's own, where it is known. Empty text: this webhook has none.
	WebhookID string `json:"webhookId,omitempty"`
	// CEL over body and headers: a webhook for which it is false is acknowledged and has no effect. Omitted: true.
	When string `json:"when,omitempty"`
	// The largest body, in bytes. For a hook with event, at most 8,388,608.
	MaxBytes int `json:"maxBytes" default:"1048576" range:"1..26214400"`
	// CEL over body and headers: the type, or organisation/type, of the entity.
	Entity string `json:"entity,omitempty"`
	// CEL over body and headers: the entity's id.
	ID string `json:"id,omitempty"`
	// true: live clients are told that the entity changed.
	Signal bool `json:"signal,omitempty"`
	// The id of a sync to run.
	Sync string `json:"sync,omitempty" format:"id"`
	// The endpoint of the gate that each webhook counts for, as an event.
	Event *HookEvent `json:"event,omitempty"`
}

// HookVerify says how the sender of a webhook proves who it is.
type HookVerify struct {
	// standard is Standard Webhooks, also with Svix's headers; a sender's name is its own form; hmac is any other keyed hash, which the fields below describe; bearer is a token.
	Type string `json:"type" decode:"required" enum:"standard github gitlab bitbucket stripe slack shopify twilio hmac bearer none"`
	// Any of them; several for their rotation: env:NAME, sm://projects/P/secrets/S, or the secrets themselves. One of standard is whsec_ and base64.
	Secrets []string `json:"secrets,omitempty" decode:"secret"`
	// The header that has the signature, for hmac, and for github instead of X-Hub-Signature-256.
	Header string `json:"header,omitempty"`
	// For hmac, the form of that header: sha256={signature}, or a list such as t={timestamp},v1={signature}. Omitted: {signature}.
	Form string `json:"form,omitempty"`
	// For hmac. Omitted: sha256.
	Algorithm string `json:"algorithm,omitempty" enum:"sha1 sha256 sha512"`
	// For hmac: how the signature is written. Omitted: hex.
	Encoding string `json:"encoding,omitempty" enum:"hex base64"`
	// For hmac: the signed text, with {body}, {timestamp} and {url}. Omitted: {body}.
	Signed string `json:"signed,omitempty"`
	// For hmac: the header with the timestamp, in seconds or milliseconds, if form has none.
	TimestampHeader string `json:"timestampHeader,omitempty"`
	// The largest difference between the timestamp and now, in seconds, for hmac, stripe and slack. Omitted: 300.
	Tolerance int `json:"tolerance,omitempty" range:"1..86400"`
}

// Scheme returns the signatures of a type that has some.
func (h HookVerify) Scheme() signature.Scheme {
	s, preset := signature.Presets[h.Type]
	if !preset {
		s = signature.Scheme{Form: h.Form, Algorithm: h.Algorithm, Encoding: h.Encoding, Signed: h.Signed, TimestampHeader: h.TimestampHeader}
	}
	if h.Header != "" {
		s.Header = h.Header
	}
	s.Tolerance = time.Duration(h.Tolerance) * time.Second
	return s
}

// HookEvent is an endpoint of the gate.
type HookEvent struct {
	// Omitted: the first service.
	ServiceName string `json:"serviceName,omitempty"`
	// One of the service's endpoints.
	EventKey string `json:"eventKey" decode:"required"`
}

func (v *validator) echo(e *Echo) {
	e.Upstream, e.Broadcast = strings.TrimRight(e.Upstream, "/"), strings.TrimRight(e.Broadcast, "/")
	if len(e.Lists) > 0 && e.Upstream == "" {
		v.Add("$.echo.lists", "needs upstream")
	}
	for i, id := range e.Lists {
		if id == "" || len(id) > maxList {
			v.Add(decode.Index("$.echo.lists", i), "must have 1 to %d bytes", maxList)
		}
	}
	for i, s := range e.Secrets {
		v.secret(decode.Index("$.echo.secrets", i), s, standard)
	}
}

func (v *validator) hook(path string, h *Hook, services []Service) {
	v.hookVerify(path+".verify", &h.Verify)
	v.hookExpressions(path, h)
	if h.Event != nil && h.MaxBytes > maxEvent {
		v.Add(path+".maxBytes", "must be at most %d for a hook with event, as an event is", maxEvent)
	}
	if (h.Entity == "") != (h.ID == "") {
		v.Add(path+".id", "goes with entity, and entity with id")
	}
	if h.Signal && h.Entity == "" {
		v.Add(path+".signal", "needs entity and id")
	}
	if h.Event != nil {
		v.hookEvent(path+".event", h.Event, services)
	}
	if !h.Signal && h.Sync == "" && h.Event == nil {
		v.Add(path, "does nothing: give it signal, sync or event")
	}
}

// maxEvent is the largest maxEventBytes.
const maxEvent = 8 << 20

func (v *validator) hookVerify(path string, h *HookVerify) {
	if h.Type != "none" && len(h.Secrets) == 0 {
		v.Add(path+".secrets", "must have one or more")
	}
	for i, s := range h.Secrets {
		rule := func(string) string { return "" }
		if h.Type == "standard" {
			rule = standard
		}
		v.secret(decode.Index(path+".secrets", i), s, rule)
	}
	for _, one := range []struct{ field, value, of string }{
		{"header", h.Header, "hmac github"}, {"form", h.Form, "hmac"}, {"algorithm", h.Algorithm, "hmac"}, {"encoding", h.Encoding, "hmac"},
		{"signed", h.Signed, "hmac"}, {"timestampHeader", h.TimestampHeader, "hmac"},
	} {
		if one.value != "" && !slices.Contains(strings.Fields(one.of), h.Type) {
			v.Add(path+"."+one.field, "goes with the type %s only", strings.ReplaceAll(one.of, " ", " or "))
		}
	}
	if h.Tolerance != 0 && !slices.Contains([]string{"hmac", "stripe", "slack"}, h.Type) {
		v.Add(path+".tolerance", "goes with the type hmac, stripe or slack only")
	}
	if h.Type == "github" && h.Header == "" {
		h.Header = signature.Presets[h.Type].Header
	}
	if h.Type == "hmac" {
		for _, f := range h.Scheme().Faults() {
			v.Add(path+"."+f.Field, "%s", f.Message)
		}
	}
}

// hookExpressions checks the expressions, and names their faults.
func (v *validator) hookExpressions(path string, h *Hook) {
	for _, one := range []struct {
		field, text string
		compile     func(string) (*expression.Expression, error)
	}{
		{"webhookId", h.WebhookID, expression.Compile}, {"when", h.When, expression.Condition},
		{"entity", h.Entity, expression.Compile}, {"id", h.ID, expression.Compile},
	} {
		if one.text == "" {
			continue
		}
		if _, err := one.compile(one.text); err != nil {
			v.Add(path+"."+one.field, "is not a valid expression: %s", err)
		}
	}
}

// hookEvent checks that the webhook's events are for an endpoint: they would be refused
// one by one otherwise.
func (v *validator) hookEvent(path string, e *HookEvent, services []Service) {
	if len(services) == 0 {
		v.Add(path, "needs a service, and the configuration has none")
		return
	}
	if e.ServiceName == "" {
		e.ServiceName = services[0].ServiceName
	}
	for _, s := range services {
		if s.ServiceName != e.ServiceName {
			continue
		}
		for _, one := range s.Endpoints {
			if one.EventKey == e.EventKey {
				return
			}
		}
		v.Add(path+".eventKey", "is not an endpoint of service %q: %q", decode.Short(s.ServiceName), decode.Short(e.EventKey))
		return
	}
	v.Add(path+".serviceName", "there is no service %q", decode.Short(e.ServiceName))
}

// standard returns what keeps a secret from verifying a Standard Webhook.
func standard(secret string) string {
	if signature.CheckSecret(secret) != nil {
		return "is not a secret of Standard Webhooks: whsec_ and base64 of at least 16 bytes, or whpk_ and a public key"
	}
	return ""
}

// redactSecrets replaces every secret that is not a reference.
func redactSecrets(secrets []string) (shown []string) {
	for _, s := range secrets {
		shown = append(shown, redactSecret(s))
	}
	return shown
}

// redactSecret replaces a secret that is neither a reference nor empty.
func redactSecret(secret string) string {
	if secret == "" || credential.IsReference(secret) {
		return secret
	}
	return credential.Redacted
}
