package functions

import (
	"net/http"

	"github.com/headgate/headgate/internal/platform/auth"
	"github.com/headgate/headgate/internal/platform/web"
)

type callerJSON struct {
	Name  string   `json:"name" description:"The e-mail address of a member, or the name of a token; empty where no auth is configured."`
	By    string   `json:"by" description:"How the caller proved it: iap, idToken or token; empty where no auth is configured." enum:",iap,idToken,token"`
	Roles []string `json:"roles" description:"Of ingest, operate and read; all of them where no auth is configured."`
}

// showCaller tells callers who they are to this deployment.
func showCaller(w http.ResponseWriter, r *http.Request) error {
	by, roles := auth.How(r.Context())
	w.Header().Set("Cache-Control", "no-store")
	return web.JSON(w, http.StatusOK, callerJSON{auth.Caller(r.Context()), by, roles})
}
