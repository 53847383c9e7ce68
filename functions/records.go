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

// records lists an organisation's records of a type.
func records(a *app.App) web.Handler {
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
		return web.JSON(w, http.StatusOK, struct {
			Records []*entity.Entity `json:"records"`
			Next    *string          `json:"next"`
		}{list, orNull(next)})
	}
}

// record shows, replaces, patches or deletes one record.
func record(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		org, typ, id := r.PathValue("org"), r.PathValue("type"), r.PathValue("id")
		ifMatch := etag.IfMatch(r.Header)
		switch r.Method {
		case http.MethodPut:
			data, err := object(w, r)
			if err != nil {
				return err
			}
			e, created, err := a.Entities().Put(r.Context(), org, typ, id, data, ifMatch, r.Header.Get("If-None-Match") == "*")
			if err != nil {
				return err
			}
			status := http.StatusOK
			if created {
				status = http.StatusCreated
			}
			return showRecord(w, status, e)
		case http.MethodPatch:
			// What curl -d sends unless told otherwise is taken for JSON, as everywhere.
			switch t, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); t {
			case "", "application/merge-patch+json", "application/json", "application/x-www-form-urlencoded":
			default:
				return fault.New(fault.Invalid, "a patch is application/merge-patch+json, not %.80s", t)
			}
			patch, err := object(w, r)
			if err != nil {
				return err
			}
			if err := web.Answering(r.Context(), w, maxDocument); err != nil {
				return err
			}
			e, err := a.Entities().Patch(r.Context(), org, typ, id, patch, ifMatch)
			if err != nil {
				return err
			}
			return showRecord(w, http.StatusOK, e)
		case http.MethodDelete:
			if err := a.Entities().Delete(r.Context(), org, typ, id, ifMatch); err != nil {
				return err
			}
			w.WriteHeader(http.StatusNoContent)
			return nil
		default:
			e, err := a.Entities().Get(r.Context(), org, typ, id)
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
}

func object(w http.ResponseWriter, r *http.Request) (map[string]any, error) {
	var data map[string]any
	if err := readJSON(w, r, &data); err != nil {
		return nil, err
	}
	if data == nil {
		return nil, fault.New(fault.Invalid, "the body must be a JSON object")
	}
	return data, nil
}

func showRecord(w http.ResponseWriter, status int, e *entity.Entity) error {
	w.Header().Set("ETag", e.ETag())
	return web.JSON(w, status, e)
}
