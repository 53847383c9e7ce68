package functions

import (
	"net/http"

	"github.com/headgate/headgate/internal/audit"
	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/platform/web"
)

type triggeredJSON struct {
	Triggered      *string `json:"triggered" description:"The eventID of the message that has the window's events; null if the window was empty."`
	NumberOfEvents int     `json:"numberOfEvents" description:"Events in the message."`
	Published      bool    `json:"published" description:"The bus has the message. If false with a message, it is claimed, and later requests and sweeps publish it."`
	Repeated       bool    `json:"repeated,omitempty" description:"This request released nothing: with keepEventAfterTrigger, the same events were released before, in the message that triggered names."`
}

// triggerWindow publishes every event in the window now, complete or not.
func triggerWindow(g *gate.Gate, w http.ResponseWriter, r *http.Request) error {
	key, err := oneKey(r)
	if err != nil {
		return err
	}
	t, err := g.Trigger(r.Context(), key)
	if err != nil {
		return err
	}
	out := triggeredJSON{NumberOfEvents: t.NumberOfEvents, Published: t.Published, Repeated: t.Repeated}
	if t.EventID != "" {
		audit.Note(r.Context(), "eventID", t.EventID)
		out.Triggered = &t.EventID
	}
	return web.JSON(w, http.StatusOK, out)
}
