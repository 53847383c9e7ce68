package incoming

import (
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/webhook/expression"
	"github.com/headgate/headgate/internal/webhook/list"
	"github.com/headgate/headgate/internal/webhook/signature"
)

// Ways to verify a webhook that are no scheme.
const (
	Standard = "standard" // Standard Webhooks, v1 and v1a
	GitLab   = "gitlab"
	Twilio   = "twilio"
	Bearer   = "bearer"
	None     = "none"
)

// Names of schemes that hooks treat in a way of their own.
const (
	slack   = "slack"
	shopify = "shopify"
)

// Hook is a configured address that takes webhooks.
type Hook struct {
	Name      string
	Verify    string           // one of the ways above, or the name of Scheme
	Scheme    signature.Scheme // where Verify is no other way
	Secrets   []string
	WebhookID *expression.Expression // of the webhook's id; nil: the sender's own headers or fields
	When      *expression.Expression // holds for the webhooks that are meant; nil: all are
	Entity    *expression.Expression // nil: the webhook names no entity
	ID        *expression.Expression // of the entity
	Signal    bool                   // tell live clients that the entity changed
	Sync      string                 // id of the sync to start; "": none
	Service   string                 // of the gate that gets an event with EventKey
	EventKey  string                 // "": the gate gets none
}

// Webhook is a verified webhook.
type Webhook struct {
	ID     string      // "": it has none, and is never a duplicate
	Header http.Header // of Body
	Body   []byte      // the JSON that a form carried, or as it came

	hook *Hook
	vars *expression.Variables // nil: the body was not looked at yet
}

// Take verifies a webhook. The error is Unauthenticated if the webhook does not prove that
// it comes from the configured sender.
func (h *Hook) Take(r signature.Request, now time.Time) (*Webhook, error) {
	id, err := h.verify(r, now)
	if err != nil {
		return nil, fault.Wrap(fault.Unauthenticated, err, "the webhook cannot be verified: %s", strings.TrimPrefix(err.Error(), "webhook: "))
	}
	w := &Webhook{ID: id, hook: h}
	w.Header, w.Body = expression.Payload(r.Header, r.Body)
	if w.ID, err = w.named(); err != nil {
		return nil, err
	}
	if len(w.ID) > list.MaxID {
		return nil, fault.New(fault.Invalid, "the webhook's id must have at most %d bytes", list.MaxID)
	}
	return w, nil
}

// verify returns the id that is a part of the proof, "" if there is none.
func (h *Hook) verify(r signature.Request, now time.Time) (id string, err error) {
	switch h.Verify {
	case Standard:
		return signature.Verify(h.Secrets, r.Header, r.Body, now)
	case GitLab:
		return "", signature.VerifyGitLab(h.Secrets, r.Header, r.Body, now)
	case Twilio:
		return "", signature.VerifyTwilio(h.Secrets, r)
	case Bearer:
		return "", signature.VerifyBearer(h.Secrets, r.Header)
	case None:
		return "", nil
	}
	s := h.Scheme
	if h.Verify == shopify && r.Header.Get(s.Header) == "" { // its events have newer names
		s.Header = strings.TrimPrefix(s.Header, "X-")
	}
	return "", s.Verify(h.Secrets, r, now)
}

// variables returns what expressions see of the webhook.
func (w *Webhook) variables() (expression.Variables, error) {
	if w.vars == nil {
		vars, err := expression.Of(w.Header, w.Body)
		if err != nil {
			return vars, fault.New(fault.Invalid, "%s", err)
		}
		w.vars = &vars
	}
	return *w.vars, nil
}

// text evaluates an expression of the hook.
func (w *Webhook) text(e *expression.Expression, what string) (string, error) {
	vars, err := w.variables()
	if err != nil {
		return "", err
	}
	text, err := e.Text(vars)
	if err != nil {
		return "", fault.New(fault.Invalid, "the expressions of hook %s do not find %s of this webhook: %s", w.hook.Name, what, err)
	}
	return text, nil
}

// Meant reports whether the hook's condition holds for the webhook.
func (w *Webhook) Meant() (bool, error) {
	if w.hook.When == nil {
		return true, nil
	}
	vars, err := w.variables()
	if err != nil {
		return false, err
	}
	holds, err := w.hook.When.Holds(vars)
	if err != nil {
		return false, fault.New(fault.Invalid, "the condition of hook %s fails for this webhook: %s", w.hook.Name, err)
	}
	return holds, nil
}

// Entity returns the entity that the webhook is about ("items" or "acme/items") and its id.
func (w *Webhook) Entity() (entity, id string, err error) {
	if w.hook.Entity == nil {
		return "", "", nil
	}
	if entity, err = w.text(w.hook.Entity, "the entity"); err == nil {
		id, err = w.text(w.hook.ID, "the entity")
	}
	return entity, id, err
}

// challenge is the question by which Slack finds out whether the address is ours.
var challenge = sync.OnceValue(func() *expression.Expression {
	return mustCompile(`body.type == "url_verification" ? string(body.challenge) : ""`)
})

// Challenge returns the answer to the sender's question whether the address is ours, "" if
// the webhook does not ask.
func (w *Webhook) Challenge() string {
	if w.hook.Verify != slack {
		return ""
	}
	vars, err := w.variables()
	if err != nil {
		return ""
	}
	answer, _ := challenge().Text(vars) // most webhooks have no such field
	return answer
}
