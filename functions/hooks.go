package functions

import (
	"net/http"

	"github.com/headgate/headgate/internal/app"
	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/platform/web"
	"github.com/headgate/headgate/internal/webhook/incoming"
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

// namedHook takes the webhooks that have a name.
func namedHook(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		body, err := webhookBody(a, w, r)
		if err != nil {
			return err
		}
		taken, err := a.Flow().TakeHook(r.Context(), r.PathValue("name"), r.Header, body, func(service, key, id string) (string, error) {
			return eventOf(a, w, r, body, service, key, id)
		})
		if err != nil {
			return err
		}
		return web.JSON(w, http.StatusOK, taken)
	}
}

// eventOf stores a webhook as an event of the gate. Two webhooks of one id are one event.
func eventOf(a *app.App, w http.ResponseWriter, r *http.Request, body []byte, service, key, id string) (string, error) {
	g, err := a.Gate(service)
	if err != nil {
		return "", err
	}
	e, ok := g.Endpoint(key)
	if !ok {
		return "", unknownKey(g, key)
	}
	in := gate.Incoming{EventKey: e.EventKey, Meta: meta(g.Service(), r), Content: body, Held: web.HoldOf(w)}
	if id != "" {
		in.IdempotencyKey = "webhook " + r.PathValue("name") + " " + id
	}
	if g.Evaluates(e.EventKey) {
		if err := web.Decoding(r.Context(), w, body); err != nil {
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
