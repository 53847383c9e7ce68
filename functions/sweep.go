package functions

import (
	"net/http"

	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/web"
)

// sweep makes up for what an instance left undone.
func sweep(g *gate.Gate, w http.ResponseWriter, r *http.Request) error {
	s, err := g.Sweep(r.Context())
	if err != nil {
		return err
	}
	return web.JSON(w, http.StatusOK, struct {
		Republished int     `json:"republished"`
		Failed      int     `json:"failed"`
		Expired     int     `json:"expired"`
		Purged      int     `json:"purged"`
		Triggered   *string `json:"triggered"`
	}{s.Republished, s.Failed, s.Expired, s.Purged, orNull(s.Triggered)})
}
