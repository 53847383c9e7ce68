package functions

import (
	"net/http"

	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/platform/web"
)

type triggeredJSON struct {
	Triggered      *string `json:"triggered"`
	NumberOfEvents int     `json:"numberOfEvents"`
	Published      bool    `json:"published"` // false: claimed, and the bus did not take it yet
	// AlsoTriggered lists the further messages of a window too large for one.
	AlsoTriggered []string `json:"alsoTriggered,omitempty"`
}

// trigger publishes every event in the window now, complete or not.
func trigger(g *gate.Gate, w http.ResponseWriter, r *http.Request) error {
	t, err := g.Trigger(r.Context())
	if err != nil {
		return err
	}
	out := triggeredJSON{NumberOfEvents: t.NumberOfEvents, Published: t.Published}
	if len(t.EventIDs) > 0 {
		out.Triggered, out.AlsoTriggered = &t.EventIDs[0], t.EventIDs[1:]
	}
	return web.JSON(w, http.StatusOK, out)
}
