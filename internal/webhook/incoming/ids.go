package incoming

import (
	"net/http"
	"strconv"
	"sync"

	"github.com/headgate/headgate/internal/webhook/expression"
	"github.com/headgate/headgate/internal/webhook/signature"
)

// Senders name their webhooks in different ways, and give a webhook that they send again
// the same name. A name of another kind has the kind before it, so that two webhooks of one
// hook never share a name by chance.

// bodyIDs returns where senders put the id in the body, which their signature covers.
var bodyIDs = sync.OnceValue(func() map[string]*expression.Expression {
	return map[string]*expression.Expression{"stripe": mustCompile(`body.id`), slack: mustCompile(`body.event_id`)}
})

func mustCompile(text string) *expression.Expression {
	e, err := expression.Compile(text)
	if err != nil {
		panic("incoming: " + err.Error())
	}
	return e
}

// named returns the webhook's id, "" if it has none.
func (w *Webhook) named() (string, error) {
	switch {
	case w.hook.WebhookID != nil:
		return w.text(w.hook.WebhookID, "the id")
	case w.ID != "":
		return w.ID, nil
	}
	if e := bodyIDs()[w.hook.Verify]; e != nil {
		vars, err := w.variables()
		if err != nil {
			return "", nil //nolint:nilerr // a body of another form has no id
		}
		id, _ := e.Text(vars)
		return id, nil
	}
	return headerID(w.Header), nil
}

// headerID returns the id in a header, "" if there is none that is known.
func headerID(h http.Header) string {
	for _, name := range []string{signature.HeaderID, "X-Github-Delivery"} {
		if id := h.Get(name); id != "" {
			return id
		}
	}
	for _, name := range []string{"Svix-Id", "Idempotency-Key", "X-Shopify-Webhook-Id", "Shopify-Webhook-Id", "I-Twilio-Idempotency-Token"} {
		if id := h.Get(name); id != "" {
			return name + ":" + id
		}
	}
	if id := h.Get("X-Shopify-Event-Id"); id != "" { // one event may be several webhooks, of different topics
		topic := h.Get("X-Shopify-Topic")
		return "X-Shopify-Event-Id:" + strconv.Itoa(len(topic)) + ":" + topic + id
	}
	// Others use this name too, and may give a request that is sent again a new one.
	if id := h.Get("X-Request-Uuid"); id != "" && h.Get("X-Hub-Signature") != "" { // Bitbucket
		return "X-Request-UUID:" + id
	}
	return ""
}
