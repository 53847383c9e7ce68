package functions

import (
	"net/http"

	"github.com/headgate/headgate/internal/app"
	"github.com/headgate/headgate/internal/platform/web"
)

// examine examines the deployment with this process's account. It calls other systems, so a
// page of another origin may not have it done, and HEAD does not.
func examine(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := refuseHead(r, http.MethodGet); err != nil {
			return err
		}
		report, err := a.Examine(r.Context())
		if err != nil {
			return err
		}
		return web.JSON(w, http.StatusOK, report)
	}
}
