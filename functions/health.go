package functions

import (
	"net/http"

	"github.com/headgate/headgate/internal/app"
	"github.com/headgate/headgate/internal/platform/web"
)

type stateJSON struct {
	Status   string   `json:"status" enum:"ok,ready"`
	Warnings []string `json:"warnings,omitempty" description:"What works and should be changed. Each was logged at the start."`
}

// healthy reports that the process is up.
func healthy(w http.ResponseWriter, _ *http.Request) error {
	return web.JSON(w, http.StatusOK, stateJSON{Status: "ok"})
}

// ready reports whether the store takes writes and the bus answers.
func ready(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := a.Ready(r.Context()); err != nil {
			return err
		}
		return web.JSON(w, http.StatusOK, stateJSON{Status: "ready", Warnings: a.Warnings()})
	}
}
