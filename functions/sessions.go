package functions

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/headgate/headgate/internal/app"
	"github.com/headgate/headgate/internal/flow"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/web"
	"github.com/headgate/headgate/internal/webhook/incoming"
)

// sessionOpening is the body of a session that opens a list. Versions of Fluid's client
// name the session by its tenant and document, or by the URL of its container.
type sessionOpening struct {
	TenantID     string `json:"tenantId,omitempty" minLength:"1"`
	DocumentID   string `json:"documentId,omitempty" minLength:"1"`
	List         string `json:"externalTaskListId" minLength:"1" description:"The list that the session shows."`
	ContainerURL any    `json:"containerUrl,omitempty" description:"The address of the session's container, which ends in /{tenantId}/{documentId}. Not used if these two are given."`
}

// session returns the session that opens.
func (o sessionOpening) session() (x incoming.Session, err error) {
	x = incoming.Session{TenantID: o.TenantID, DocumentID: o.DocumentID}
	if address, isText := o.ContainerURL.(string); isText && address != "" && x == (incoming.Session{}) {
		if x, err = sessionOf(address); err != nil {
			return x, err
		}
	}
	for _, f := range []struct{ name, value string }{{"tenantId", x.TenantID}, {"documentId", x.DocumentID}, {"externalTaskListId", o.List}} {
		if f.value == "" {
			return x, fault.New(fault.Invalid, "%s is required", f.name)
		}
	}
	return x, nil
}

// sessionOf returns the session of a container's URL: the last two parts of its path are
// the tenant and the document.
func sessionOf(address string) (x incoming.Session, err error) {
	u, err := url.Parse(address)
	var parts []string
	if err == nil && u.Host != "" {
		parts = strings.Split(strings.Trim(u.EscapedPath(), "/"), "/")
	}
	if len(parts) >= 2 {
		tenant, tenantErr := url.PathUnescape(parts[len(parts)-2])
		document, documentErr := url.PathUnescape(parts[len(parts)-1])
		if tenantErr == nil && documentErr == nil {
			return incoming.Session{TenantID: tenant, DocumentID: document}, nil
		}
	}
	return x, fault.New(fault.Invalid, "containerUrl must be a URL whose path ends in /{tenantId}/{documentId}")
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
		x, err := in.session()
		if err != nil {
			return err
		}
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
