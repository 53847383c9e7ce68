package functions

import (
	"net/http"

	"github.com/headgate/headgate/internal/app"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/web"
)

// OurWater's paths name the organisation, and lead to the same handlers as ours.

// listOrgSyncs lists the syncs of an organisation.
func listOrgSyncs(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if _, err := query(r); err != nil {
			return err
		}
		list, err := a.Definitions().List(r.Context(), r.PathValue("org"))
		if err != nil {
			return err
		}
		syncs, err := toSyncJSON(r.Context(), a, list...)
		if err != nil {
			return err
		}
		return web.JSON(w, http.StatusOK, syncsJSON{syncs})
	}
}

// createOrgSync stores a new definition of the organisation, which the body need not name.
func createOrgSync(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		def, err := readSync(a, w, r)
		if err != nil {
			return err
		}
		org := r.PathValue("org")
		if def.OrgID != "" && def.OrgID != org {
			return fault.New(fault.Invalid, "orgId is %.80q, and the path is that of %.80q", def.OrgID, org)
		}
		def.OrgID = org
		d, err := a.Definitions().Create(r.Context(), def)
		if err != nil {
			return err
		}
		return showCreated(a, w, r, d)
	}
}

// ofOrg serves a sync only under the path of its own organisation.
func ofOrg(handler func(*app.App) web.Handler) func(*app.App) web.Handler {
	return func(a *app.App) web.Handler {
		next := handler(a)
		return func(w http.ResponseWriter, r *http.Request) error {
			id := r.PathValue("id")
			d, err := a.Definitions().Get(r.Context(), id)
			switch {
			case err == nil && d.Sync.OrgID != r.PathValue("org"):
				return fault.New(fault.NotFound, "no sync %q", id)
			case err != nil && fault.CodeOf(err) != fault.NotFound:
				return err
			}
			return next(w, r) // which reads the parameters before it looks for the sync
		}
	}
}
