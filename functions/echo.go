package functions

import (
	"net/http"

	"github.com/headgate/headgate/internal/app"
	"github.com/headgate/headgate/internal/platform/web"
	"github.com/headgate/headgate/internal/webhook/incoming"
)

// webhookBody returns the body of a webhook whose signature can be checked now. The check
// compares times, so it fails with 503 if the clock was never compared with the store's: the
// sender repeats the webhook, and none is refused for good by a wrong clock.
func webhookBody(a *app.App, w http.ResponseWriter, r *http.Request, limit int, name string) ([]byte, error) {
	body, err := readBody(w, r, int64(limit), name)
	if err != nil {
		return nil, err
	}
	return body, a.OnTime(r.Context())
}

type echoAnswer struct {
	Status    string `json:"status" enum:"ok"`
	Duplicate bool   `json:"duplicate" description:"This webhook was taken before, and changed nothing now."`
}

// echoWebhook takes the whole list from the source of truth, and passes it on.
func echoWebhook(a *app.App) web.Handler {
	limit := defaultHookBytes
	if cfg := a.Config().Echo; cfg != nil {
		limit = cfg.MaxBytes
	}
	return func(w http.ResponseWriter, r *http.Request) error {
		body, err := webhookBody(a, w, r, limit, "echo.maxBytes")
		if err != nil {
			return err
		}
		id, err := a.Flow().VerifySource(signed(a, r, body))
		if err != nil {
			return err
		}
		data, err := incoming.CheckTasks(body, "data")
		if err != nil {
			return err
		}
		duplicate, err := a.Flow().TakeList(r.Context(), r.URL.Query().Get("externalTaskListId"), id, data)
		if err != nil {
			return err
		}
		return web.JSON(w, http.StatusOK, echoAnswer{"ok", duplicate})
	}
}

// echoSource takes the webhooks of the source of truth. A signature shows who calls. The
// role is asked for only where no secret is configured to check signatures with.
func echoSource(b *builder, role string) web.Handler {
	if cfg := b.app.Config().Echo; cfg != nil && len(cfg.Secrets) > 0 {
		return echoWebhook(b.app)
	}
	return b.guard.Require(role, echoWebhook(b.app))
}
