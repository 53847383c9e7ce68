package config

import (
	"strings"

	"github.com/headgate/headgate/internal/platform/credential"
	"github.com/headgate/headgate/internal/platform/decode"
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
}

// maxList bounds the id of a list, in bytes.
const maxList = 256

// Hook is a webhook that is taken at /hooks/{name}.
type Hook struct {
	// The path's last part.
	Name string `json:"name" decode:"required" format:"name"`
	// How the sender proves who it is.
	Verify HookVerify `json:"verify" decode:"required"`
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
	// standard is Standard Webhooks, github its signature header.
	Type string `json:"type" decode:"required" enum:"standard github bearer none"`
	// Any of them; several for their rotation: env:NAME, sm://projects/P/secrets/S, or the secrets themselves. One of standard is whsec_ and base64.
	Secrets []string `json:"secrets,omitempty" decode:"secret"`
	// The header that has the signature, for github. Omitted: X-Hub-Signature-256.
	Header string `json:"header,omitempty"`
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
	switch h.Verify.Type {
	case "standard", "github", "bearer":
		if len(h.Verify.Secrets) == 0 {
			v.Add(path+".verify.secrets", "must have one or more")
		}
	}
	for i, s := range h.Verify.Secrets {
		rule := func(string) string { return "" }
		if h.Verify.Type == "standard" {
			rule = standard
		}
		v.secret(decode.Index(path+".verify.secrets", i), s, rule)
	}
	if h.Verify.Type == "github" && h.Verify.Header == "" {
		h.Verify.Header = "X-Hub-Signature-256"
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
		if !credential.IsReference(s) {
			s = credential.Redacted
		}
		shown = append(shown, s)
	}
	return shown
}
