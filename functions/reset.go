package functions

import (
	"net/http"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/web"
)

type resetJSON struct {
	Reset int `json:"reset" description:"How many events were taken out."`
}

// resetWindow takes the events of the window, or of one endpoint, out of it.
func resetWindow(g *gate.Gate, w http.ResponseWriter, r *http.Request) error {
	q, err := query(r, "eventKey", "key")
	if err != nil {
		return err
	}
	if r.ContentLength != 0 && event.MediaType(r.Header.Get("Content-Type")) == "application/x-www-form-urlencoded" {
		// An eventKey in the form would be ignored, and every endpoint would be reset.
		return fault.New(fault.Invalid, "eventKey belongs in the query: /reset?eventKey=…")
	}
	key := q.Get("eventKey")
	if q.Has("eventKey") && key == "" {
		return fault.New(fault.Invalid, "eventKey must not be empty")
	}
	if _, ok := g.Endpoint(key); key != "" && !ok {
		return unknownKey(g, key)
	}
	n, err := g.Reset(r.Context(), key, keyOf(r))
	if err != nil {
		return err
	}
	return web.JSON(w, http.StatusOK, resetJSON{n})
}
