package functions

import (
	"net/http"

	"github.com/headgate/headgate/internal/app"
	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/web"
	"github.com/headgate/headgate/internal/webhook/echo"
)

// maxWebhook is the largest body of a webhook, in bytes.
const maxWebhook = 512 << 10

type echoAnswer struct {
	Status    string `json:"status" enum:"ok"`
	Duplicate bool   `json:"duplicate" description:"This webhook was taken before, and changed nothing now."`
}

// echoWebhook takes the whole list from the source of truth, and passes it on.
func echoWebhook(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		body, err := readBody(w, r, maxWebhook, "the limit of a webhook")
		if err != nil {
			return err
		}
		if err := a.OnTime(r.Context()); err != nil {
			return err
		}
		id, err := a.VerifyEcho(r.Header, body)
		if err != nil {
			return err
		}
		data, err := echo.CheckTasks(body, "data")
		if err != nil {
			return err
		}
		duplicate, err := a.Echo().Receive(r.Context(), r.URL.Query().Get("externalTaskListId"), id, data)
		if err != nil {
			return err
		}
		return web.JSON(w, http.StatusOK, echoAnswer{"ok", duplicate})
	}
}

// hook takes a webhook under a name.
func hook(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		body, err := readBody(w, r, maxWebhook, "the limit of a webhook")
		if err != nil {
			return err
		}
		if err := a.OnTime(r.Context()); err != nil {
			return err
		}
		taken, err := a.TakeHook(r.Context(), r.PathValue("name"), r.Header, body, func(service, key, id string) (string, error) {
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
	wait := a.Help(g)
	out, err := g.Ingest(r.Context(), in)
	wait()
	if err != nil {
		return "", err
	}
	return out.Receipts[0].ID, nil
}

// echoSource takes the webhooks of the source of truth. A signature shows who calls. The
// role is asked for only where no secret is configured to check signatures with.
func echoSource(b *builder, role string) web.Handler {
	if cfg := b.app.Config().Echo; cfg != nil && len(cfg.Secrets) > 0 {
		return echoWebhook(b.app)
	}
	return b.guard.Require(role, echoWebhook(b.app))
}

// hooks takes the webhooks that have a name. It asks for the role where the hook's
// configuration verifies nothing.
func hooks(b *builder, role string) web.Handler {
	verified := make(map[string]bool)
	for _, h := range b.app.Config().Hooks {
		verified[h.Name] = h.Verify.Type != echo.None
	}
	open := hook(b.app)
	guarded := b.guard.Require(role, open)
	return func(w http.ResponseWriter, r *http.Request) error {
		if verified[r.PathValue("name")] {
			return open(w, r)
		}
		return guarded(w, r)
	}
}

// sessionOpening is the body of a session that opens a list. Fluid's client also sends
// the URL of its container, which Headgate does not need.
type sessionOpening struct {
	TenantID     string `json:"tenantId" minLength:"1"`
	DocumentID   string `json:"documentId" minLength:"1"`
	List         string `json:"externalTaskListId" minLength:"1" description:"The list that the session shows."`
	ContainerURL any    `json:"containerUrl,omitempty" description:"Accepted and not used."`
}

type sessionJSON struct {
	Entity string `json:"entity" description:"What the session's live clients subscribe to."`
	ID     string `json:"id" description:"The id of it that they subscribe to."`
}

type sessionEnding struct {
	Type       string `json:"type" enum:"session-end"`
	TenantID   string `json:"tenantId"`
	DocumentID string `json:"documentId"`
}

type endedJSON struct {
	Status string `json:"status" enum:"ok"`
}

// openSession adds a session of a list. For the first session of a list, Headgate
// registers with the source.
func openSession(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		var in sessionOpening
		if err := readJSON(w, r, &in); err != nil {
			return err
		}
		for name, v := range map[string]string{"tenantId": in.TenantID, "documentId": in.DocumentID, "externalTaskListId": in.List} {
			if v == "" {
				return fault.New(fault.Invalid, "%s is required", name)
			}
		}
		x := echo.Session{TenantID: in.TenantID, DocumentID: in.DocumentID}
		if err := a.Echo().Open(r.Context(), x, in.List); err != nil {
			return err
		}
		return web.JSON(w, http.StatusOK, sessionJSON{app.SessionType, x.ID()})
	}
}

// endSession takes the event that a session ended.
func endSession(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		var in sessionEnding
		if err := readJSON(w, r, &in); err != nil {
			return err
		}
		switch {
		case in.Type != "session-end":
			return fault.New(fault.Invalid, "type must be session-end")
		case in.TenantID == "":
			return fault.New(fault.Invalid, "tenantId is required")
		case in.DocumentID == "":
			return fault.New(fault.Invalid, "documentId is required")
		}
		if err := a.Echo().End(r.Context(), echo.Session{TenantID: in.TenantID, DocumentID: in.DocumentID}); err != nil {
			return err
		}
		return web.JSON(w, http.StatusOK, endedJSON{"ok"})
	}
}
