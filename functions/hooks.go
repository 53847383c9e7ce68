package functions

import (
	"cmp"
	"io"
	"net/http"

	"github.com/headgate/headgate/internal/app"
	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/platform/web"
	"github.com/headgate/headgate/internal/webhook/incoming"
	"github.com/headgate/headgate/internal/webhook/signature"
)

// takeHook takes the webhooks that have a name in the configuration. It asks for the role
// where the configuration verifies no signature.
func takeHook(b *builder, role string) web.Handler {
	verified := make(map[string]bool)
	for _, h := range b.app.Config().Hooks {
		verified[h.Name] = h.Verify.Type != incoming.None
	}
	open := namedHook(b.app)
	guarded := b.guard.Require(role, open)
	return func(w http.ResponseWriter, r *http.Request) error {
		if verified[r.PathValue("name")] {
			return open(w, r)
		}
		return guarded(w, r)
	}
}

// defaultHookBytes bounds the body of a webhook to a hook that is not configured.
const defaultHookBytes = 1 << 20

// namedHook takes the webhooks that have a name.
func namedHook(a *app.App) web.Handler {
	limits := make(map[string]int)
	for _, h := range a.Config().Hooks {
		limits[h.Name] = h.MaxBytes
	}
	return func(w http.ResponseWriter, r *http.Request) error {
		limit := cmp.Or(limits[r.PathValue("name")], defaultHookBytes)
		body, err := webhookBody(a, w, r, limit, "maxBytes of the hook")
		if err != nil {
			return err
		}
		taken, err := a.Flow().TakeHook(r.Context(), r.PathValue("name"), signed(a, r, body), func(hook *incoming.Webhook, service, key string) (string, error) {
			return eventOf(a, w, r, hook, service, key)
		})
		if err != nil {
			return err
		}
		if taken.Challenge != "" {
			return answerChallenge(w, taken.Challenge)
		}
		status := http.StatusOK
		if taken.Waiting {
			status = http.StatusAccepted
		}
		return web.JSON(w, status, taken)
	}
}

// answerChallenge answers a sender that asks whether the address is ours. The text is its own.
func answerChallenge(w http.ResponseWriter, challenge string) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, err := io.WriteString(w, challenge)
	return err
}

// signed returns what the signature of a webhook can cover. Its URL is the one that senders
// know, which a proxy may have changed on the way.
func signed(a *app.App, r *http.Request, body []byte) signature.Request {
	return signature.Request{URL: a.PublicURL() + r.URL.RequestURI(), Header: r.Header, Body: body}
}

// eventOf stores a webhook as an event of the gate. Two webhooks of one id are one event.
func eventOf(a *app.App, w http.ResponseWriter, r *http.Request, hook *incoming.Webhook, service, key string) (string, error) {
	g, err := a.Gate(service)
	if err != nil {
		return "", err
	}
	e, ok := g.Endpoint(key)
	if !ok {
		return "", unknownKey(g, key)
	}
	in := gate.Incoming{EventKey: e.EventKey, Meta: rules(g.Service()).Receive(r.Method, hook.Header, r.URL.RawQuery), Content: hook.Body, Held: web.HoldOf(w)}
	if hook.ID != "" { // a hook's name has no space
		in.IdempotencyKey = "webhook " + r.PathValue("name") + " " + hook.ID
	}
	if g.Evaluates(e.EventKey) {
		if err := web.Decoding(r.Context(), w, hook.Body); err != nil {
			return "", err
		}
	}
	wait := a.Help(g)
	out, err := g.Ingest(r.Context(), in)
	wait()
	if err != nil {
		return "", err
	}
	return out.Receipts[0].ID, out.Receipts[0].Err
}
