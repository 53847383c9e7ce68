package functions

import (
	"net/http"

	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/gate/window"
	"github.com/headgate/headgate/internal/platform/web"
)

// check releases the window if it is complete.
func check(g *gate.Gate, w http.ResponseWriter, r *http.Request) error {
	v, err := g.Check(r.Context())
	if err != nil {
		return err
	}
	return web.JSON(w, http.StatusOK, struct {
		Complete bool `json:"complete"`
		releasedJSON
		Missing []window.Shortfall `json:"missing"`
	}{v.Complete, released(v.Triggered, v.Published), orEmpty(v.Missing)})
}
