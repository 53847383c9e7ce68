package functions

import (
	"net/http"

	"github.com/headgate/headgate/internal/app"
	"github.com/headgate/headgate/internal/flow"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/web"
	"github.com/headgate/headgate/internal/webhook/incoming"
)

// sessionOpening is the body of a session that opens a list. Fluid's client also sends
// the URL of its container, which Headgate does not need.
type sessionOpening struct {
	TenantID     string `json:"tenantId" minLength:"1"`
	DocumentID   string `json:"documentId" minLength:"1"`
	List         string `json:"externalTaskListId" minLength:"1" description:"The list that the session shows."`
	ContainerURL any    `json:"containerUrl,omitempty" description:"Accepted and not used."`
}

type sessionJSON struct {
	Entity string `json:"entity" description:"What the session's live clients subscribe to."`
	ID     string `json:"id" description:"The id of it that they subscribe to."`
}

type sessionEnding struct {
	Type       string `json:"type" enum:"session-end"`
	TenantID   string `json:"tenantId"`
	DocumentID string `json:"documentId"`
}

type endedJSON struct {
	Status string `json:"status" enum:"ok"`
}

// openSession adds a session of a list. For the first session of a list, Headgate
// registers with the source.
func openSession(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		var in sessionOpening
		if err := readJSON(w, r, &in); err != nil {
			return err
		}
		for name, v := range map[string]string{"tenantId": in.TenantID, "documentId": in.DocumentID, "externalTaskListId": in.List} {
			if v == "" {
				return fault.New(fault.Invalid, "%s is required", name)
			}
		}
		x := incoming.Session{TenantID: in.TenantID, DocumentID: in.DocumentID}
		if err := a.Sessions().Open(r.Context(), x, in.List); err != nil {
			return err
		}
		return web.JSON(w, http.StatusOK, sessionJSON{flow.SessionType, x.ID()})
	}
}

// endSession takes the event that a session ended.
func endSession(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		var in sessionEnding
		if err := readJSON(w, r, &in); err != nil {
			return err
		}
		switch {
		case in.Type != "session-end":
			return fault.New(fault.Invalid, "type must be session-end")
		case in.TenantID == "":
			return fault.New(fault.Invalid, "tenantId is required")
		case in.DocumentID == "":
			return fault.New(fault.Invalid, "documentId is required")
		}
		if err := a.Sessions().End(r.Context(), incoming.Session{TenantID: in.TenantID, DocumentID: in.DocumentID}); err != nil {
			return err
		}
		return web.JSON(w, http.StatusOK, endedJSON{"ok"})
	}
}
