package config

import (
	"strings"

	"github.com/headgate/headgate/internal/platform/credential"
)

// Echo is the webhooks of one source of truth, and those of ours that pass them on.
type Echo struct {
	// Upstream is the source: sessions have us register with it.
	Upstream string `json:"upstream,omitempty"`
	// Secrets verify its webhooks (Standard Webhooks); none: they are taken as they come.
	Secrets []string `json:"secrets,omitempty"`
	// AllowTargets are hosts that may be registered as webhooks without being asked;
	// internal addresses among them may be called.
	AllowTargets []string `json:"allowTargets,omitempty"`
}

// Hook is a webhook that is taken at /hooks/{name}.
type Hook struct {
	Name   string     `json:"name" config:"required"`
	Verify HookVerify `json:"verify" config:"required"`
	// Entity and ID are CEL over body and headers: which entity the webhook is about.
	Entity string     `json:"entity,omitempty"`
	ID     string     `json:"id,omitempty"`
	Signal bool       `json:"signal,omitempty"` // live clients hear that the entity changed
	Sync   string     `json:"sync,omitempty"`   // id of a sync to run
	Event  *HookEvent `json:"event,omitempty"`  // counts as an event of the gate
}

// HookVerify says from whom a webhook must be.
type HookVerify struct {
	Type    string   `json:"type" config:"required"` // standard, github, bearer, none
	Secrets []string `json:"secrets,omitempty"`      // env:NAME, sm://…, or the secrets themselves
	Header  string   `json:"header,omitempty"`       // of github's form; default X-Hub-Signature-256
}

// HookEvent is an endpoint of the gate.
type HookEvent struct {
	ServiceName string `json:"serviceName,omitempty"` // default: the first
	EventKey    string `json:"eventKey" config:"required"`
}

func (v *validator) echo(e *Echo) {
	if e.Upstream != "" {
		v.httpURL("$.echo.upstream", e.Upstream)
		e.Upstream = strings.TrimRight(e.Upstream, "/")
	}
	for i, s := range e.Secrets {
		v.reference(index("$.echo.secrets", i), s)
	}
	for i, h := range e.AllowTargets {
		if !hostPort.MatchString(h) {
			v.fault(index("$.echo.allowTargets", i), "must be a host or host:port, not %q", short(h))
		}
	}
}

func (v *validator) hook(path string, h *Hook) {
	if !PlainID(h.Name) {
		v.fault(path+".name", "must be letters, digits, . _ ~ -, not %q", short(h.Name))
	}
	switch h.Verify.Type {
	case "standard", "github", "bearer":
		if len(h.Verify.Secrets) == 0 {
			v.fault(path+".verify.secrets", "must have one or more")
		}
	case "none":
	default:
		v.fault(path+".verify.type", "must be standard, github, bearer or none, not %q", short(h.Verify.Type))
	}
	for i, s := range h.Verify.Secrets {
		v.reference(index(path+".verify.secrets", i), s)
	}
	if (h.Entity == "") != (h.ID == "") {
		v.fault(path+".id", "goes with entity, and entity with id")
	}
	if h.Signal && h.Entity == "" {
		v.fault(path+".signal", "needs entity and id")
	}
	if h.Sync != "" && !PlainID(h.Sync) {
		v.fault(path+".sync", "must be the id of a sync, not %q", short(h.Sync))
	}
	if h.Event != nil {
		v.notEmpty(path+".event.eventKey", h.Event.EventKey)
	}
	if !h.Signal && h.Sync == "" && h.Event == nil {
		v.fault(path, "does nothing: give it signal, sync or event")
	}
}

// redactSecrets replaces what is not a reference.
func redactSecrets(secrets []string) (shown []string) {
	for _, s := range secrets {
		if !credential.IsReference(s) {
			s = credential.Redacted
		}
		shown = append(shown, s)
	}
	return shown
}
