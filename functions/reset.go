package functions

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/headgate/headgate/internal/audit"
	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/platform/decode"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/web"
)

type resetJSON struct {
	Reset int `json:"reset" description:"How many events were taken out."`
}

// resetWindow takes the events of the window, or of one endpoint, out of it.
func resetWindow(g *gate.Gate, w http.ResponseWriter, r *http.Request) error {
	if err := checkReset(w, r); err != nil {
		return err
	}
	q := r.URL.Query()
	key := q.Get("eventKey")
	if q.Has("eventKey") && key == "" {
		return fault.New(fault.Invalid, "eventKey must not be empty")
	}
	if _, ok := g.Endpoint(key); key != "" && !ok {
		return unknownKey(g, key)
	}
	n, err := g.Reset(r.Context(), key, keyOf(r))
	audit.Note(r.Context(), "events", strconv.Itoa(n)) // also with an error
	if err != nil {
		return err
	}
	return web.JSON(w, http.StatusOK, resetJSON{n})
}

// checkReset checks the query and the form of a reset. EventSync takes any query and any
// body, so other parameters are ignored. But what is meant as one of ours must not be
// ignored: then the events of all endpoints would be reset.
func checkReset(w http.ResponseWriter, r *http.Request) error {
	known := []string{"eventKey", "key"}
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return fault.New(fault.Invalid, "the query is malformed")
	}
	for name, values := range q {
		if len(values) > 1 && slices.Contains(known, name) {
			return fault.New(fault.Invalid, "query parameter %q is given %d times", name, len(values))
		}
		if ours := decode.Nearest(name, known); ours != "" && ours != name {
			return fault.New(fault.Invalid, "query parameter %q is not known: did you mean %q?", name, ours)
		}
	}
	if event.MediaType(r.Header.Get("Content-Type")) != "application/x-www-form-urlencoded" {
		return nil
	}
	body, err := web.ReadBody(w, r, maxBody, "the limit of a body")
	if err != nil {
		return err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return fault.New(fault.Invalid, "the form is malformed")
	}
	for name := range form {
		if ours := decode.Nearest(name, known); ours != "" {
			return fault.New(fault.Invalid, "%s belongs in the query: /reset?%s=…", ours, ours)
		}
	}
	return nil
}
