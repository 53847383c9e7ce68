package functions

import (
	"net/http"

	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/platform/web"
)

// sweep makes up for what an instance left undone, and publishes all that waits.
func sweep(g *gate.Gate, w http.ResponseWriter, r *http.Request) error {
	s, err := g.SweepNow(r.Context())
	if err != nil {
		return err
	}
	return web.JSON(w, http.StatusOK, struct {
		Republished int `json:"republished"`
		Failed      int `json:"failed"`
		Expired     int `json:"expired"`
		Purged      int `json:"purged"`
		releasedJSON
	}{s.Republished, s.Failed, s.Expired, s.Purged, released(s.Triggered, s.Published)})
}
