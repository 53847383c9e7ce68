package functions

import (
	"net/http"

	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/platform/web"
)

type triggeredJSON struct {
	Triggered      *string  `json:"triggered" description:"The message's eventID; null if the window was empty."`
	NumberOfEvents int      `json:"numberOfEvents" description:"Events in all messages that this request released."`
	Published      bool     `json:"published" description:"The bus has the messages. If false with a message, it is claimed, and later requests and sweeps publish it."`
	AlsoTriggered  []string `json:"alsoTriggered,omitempty" description:"Further messages, if the window was too large for one."`
}

// triggerWindow publishes every event in the window now, complete or not.
func triggerWindow(g *gate.Gate, w http.ResponseWriter, r *http.Request) error {
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
