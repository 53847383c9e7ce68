package functions

import (
	"net/http"

	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/gate/window"
	"github.com/headgate/headgate/internal/platform/web"
)

type verdictJSON struct {
	Complete bool `json:"complete" description:"Every endpoint has the events that it needs."`
	releasedJSON
	Missing []window.Shortfall `json:"missing" description:"The endpoints that lack events."`
}

// checkWindow releases the window if it is complete.
func checkWindow(g *gate.Gate, w http.ResponseWriter, r *http.Request) error {
	key, err := oneKey(r)
	if err != nil {
		return err
	}
	v, err := g.Check(r.Context(), key)
	if err != nil {
		return err
	}
	if r.Header.Get("X-CloudTasks-TaskName") != "" { // a timer has fired, perhaps before the window closes
		if err := g.Rearm(r.Context(), key); err != nil {
			return err
		}
	}
	return web.JSON(w, http.StatusOK, verdictJSON{v.Complete, released(v.Triggered, v.Published), orEmpty(v.Missing)})
}
