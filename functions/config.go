package functions

import (
	"net/http"

	"github.com/headgate/headgate/internal/app"
	"github.com/headgate/headgate/internal/platform/web"
	"github.com/headgate/headgate/internal/unused"
)

// showConfig shows the effective configuration with its secrets redacted. Under
// /services/{service} it shows that service's part.
func showConfig(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		body := a.Config().JSON()
		if name, given := service(r); given {
			g, err := a.Gate(name)
			if err != nil {
				return err
			}
			body = g.Service().JSON()
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		_, err := w.Write(body)
		return err
	}
}

type unusedJSON struct {
	Unused []unused.Setting `json:"unused"`
}

// showUnused lists the settings that nothing uses now.
func showUnused(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		found, err := a.Unused(r.Context())
		if err != nil {
			return err
		}
		return web.JSON(w, http.StatusOK, unusedJSON{found})
	}
}
