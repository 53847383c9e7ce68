package functions

import (
	"mime"
	"net/http"

	"github.com/headgate/headgate/internal/app"
	"github.com/headgate/headgate/internal/platform/etag"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/web"
	"github.com/headgate/headgate/internal/record/entity"
)

type recordsJSON struct {
	Records []*entity.Entity `json:"records"`
	Next    *string          `json:"next" description:"The value of after for the next page; null at the end."`
}

// listRecords lists an organisation's records of a type.
func listRecords(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		q, err := query(r, "limit", "after", "deleted")
		if err != nil {
			return err
		}
		limit, err := limitOf(q.Get("limit"), defaultPage)
		if err != nil {
			return err
		}
		deleted, err := boolean(q.Get("deleted"), "deleted")
		if err != nil {
			return err
		}
		if err := reading(w, r, limit); err != nil {
			return err
		}
		list, next, err := a.Entities().List(r.Context(), r.PathValue("org"), r.PathValue("type"), q.Get("after"), limit, deleted)
		if err != nil {
			return err
		}
		return web.JSON(w, http.StatusOK, recordsJSON{list, orNull(next)})
	}
}

// getRecord shows one record.
func getRecord(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		e, err := a.Entities().Get(r.Context(), r.PathValue("org"), r.PathValue("type"), r.PathValue("id"))
		if err != nil {
			return err
		}
		if etag.Unchanged(r.Header, e.ETag()) {
			w.Header().Set("ETag", e.ETag())
			w.WriteHeader(http.StatusNotModified)
			return nil
		}
		return showRecord(w, http.StatusOK, e)
	}
}

// putRecord creates or replaces one record.
func putRecord(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		data, err := readObject(w, r)
		if err != nil {
			return err
		}
		onlyNew := r.Header.Get("If-None-Match") == "*"
		e, created, err := a.Entities().Put(r.Context(), r.PathValue("org"), r.PathValue("type"), r.PathValue("id"), data, etag.IfMatch(r.Header), onlyNew)
		if err != nil {
			return err
		}
		status := http.StatusOK
		if created {
			status = http.StatusCreated
		}
		return showRecord(w, status, e)
	}
}

// patchRecord merges a patch into one record (RFC 7396).
func patchRecord(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		// curl -d sends a form's type unless told otherwise. Every route takes that for JSON.
		switch t, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); t {
		case "", "application/merge-patch+json", "application/json", "application/x-www-form-urlencoded":
		default:
			return fault.New(fault.Invalid, "a patch is application/merge-patch+json, not %.80s", t)
		}
		patch, err := readObject(w, r)
		if err != nil {
			return err
		}
		if err := web.Answering(r.Context(), w, maxDocument); err != nil {
			return err
		}
		e, err := a.Entities().Patch(r.Context(), r.PathValue("org"), r.PathValue("type"), r.PathValue("id"), patch, etag.IfMatch(r.Header))
		if err != nil {
			return err
		}
		return showRecord(w, http.StatusOK, e)
	}
}

// deleteRecord deletes one record.
func deleteRecord(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		err := a.Entities().Delete(r.Context(), r.PathValue("org"), r.PathValue("type"), r.PathValue("id"), etag.IfMatch(r.Header))
		if err != nil {
			return err
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
}

func showRecord(w http.ResponseWriter, status int, e *entity.Entity) error {
	w.Header().Set("ETag", e.ETag())
	return web.JSON(w, status, e)
}
