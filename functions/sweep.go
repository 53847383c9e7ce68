package functions

import (
	"net/http"

	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/platform/web"
)

type sweptJSON struct {
	Republished int `json:"republished" description:"Messages that waited, and that every target has now."`
	Failed      int `json:"failed" description:"Messages that were tried and that a topic or another target still does not have. They are tried again."`
	Expired     int `json:"expired" description:"Events that left the window without a message."`
	Purged      int `json:"purged" description:"Messages and events that were deleted because their retention is over."`
	releasedJSON
}

// sweepService finishes the work of instances that stopped, and publishes all that waits.
func sweepService(g *gate.Gate, w http.ResponseWriter, r *http.Request) error {
	s, err := g.SweepNow(r.Context())
	if err != nil {
		return err
	}
	return web.JSON(w, http.StatusOK, sweptJSON{s.Republished, s.Failed, s.Expired, s.Purged, released(s.Triggered, s.Published)})
}
