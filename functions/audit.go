package functions

import (
	"net/http"
	"time"

	"github.com/headgate/headgate/internal/app"
	"github.com/headgate/headgate/internal/audit"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/web"
	"github.com/headgate/headgate/internal/store"
)

type auditJSON struct {
	Entries []audit.Entry `json:"entries"`
	Next    *string       `json:"next" description:"The value of after for the next page; null at the end."`
}

// listAudit lists who did what, newest first.
func listAudit(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		q, err := query(r, "limit", "after", "since", "until", "who", "action", "object")
		if err != nil {
			return err
		}
		limit, err := limitOf(q.Get("limit"), defaultPage)
		if err != nil {
			return err
		}
		f := audit.Filter{Who: q.Get("who"), Action: q.Get("action"), Object: q.Get("object")}
		if f.Since, err = instantOf(q.Get("since"), "since"); err != nil {
			return err
		}
		if f.Until, err = instantOf(q.Get("until"), "until"); err != nil {
			return err
		}
		var at store.Position
		if q.Has("after") {
			c, err := parseCursor(q.Get("after"))
			if err != nil {
				return fault.New(fault.Invalid, `after must be the "next" of an earlier answer`)
			}
			at = store.Position{Order: c.Date.UnixMicro(), ID: c.ID}
		}
		entries, next, err := a.Audit().List(r.Context(), f, at, limit)
		if err != nil {
			return err
		}
		out := auditJSON{Entries: entries}
		if next != (store.Position{}) {
			cursor := formatCursor(store.Cursor{Date: time.UnixMicro(next.Order), ID: next.ID})
			out.Next = &cursor
		}
		return web.JSON(w, http.StatusOK, out)
	}
}
