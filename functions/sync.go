package functions

import (
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/headgate/headgate/internal/app"
	"github.com/headgate/headgate/internal/platform/etag"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/web"
	"github.com/headgate/headgate/internal/sync/definition"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

// maxDefinition is the largest definition of a sync, in bytes.
const maxDefinition = 256 << 10

type syncJSON struct {
	ID        string          `json:"id"`
	Version   int64           `json:"version"`
	CreatedAt time.Time       `json:"createdAt"`
	UpdatedAt time.Time       `json:"updatedAt"`
	Sync      definition.Sync `json:"sync"` // credentials redacted
}

func toSyncJSON(d *definition.Stored) syncJSON {
	return syncJSON{d.Sync.ID, d.Version, d.CreatedAt, d.UpdatedAt, d.Sync.Redact()}
}

func readSync(a *app.App, w http.ResponseWriter, r *http.Request) (*definition.Sync, error) {
	body, err := web.ReadBody(w, r, maxDefinition, "the limit of a definition")
	if err != nil {
		return nil, err
	}
	if err := web.Decoding(r.Context(), w, body); err != nil {
		return nil, err
	}
	return a.Definitions().Decode(body)
}

// syncs lists the definitions, and takes new ones.
func syncs(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if r.Method == http.MethodPost {
			return createSync(a, w, r)
		}
		q, err := query(r, "orgId")
		if err != nil {
			return err
		}
		list, err := a.Definitions().List(r.Context(), q.Get("orgId"))
		if err != nil {
			return err
		}
		out := struct {
			Syncs []syncJSON `json:"syncs"`
		}{make([]syncJSON, len(list))}
		for i, d := range list {
			out.Syncs[i] = toSyncJSON(d)
		}
		return web.JSON(w, http.StatusOK, out)
	}
}

// checkSync says what is wrong with a definition, and keeps nothing.
func checkSync(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		out := struct {
			Valid  bool           `json:"valid"`
			Errors []fault.Detail `json:"errors"`
		}{Errors: []fault.Detail{}}
		def, err := readSync(a, w, r)
		if wrong, ok := errors.AsType[*fault.Error](err); ok && len(wrong.Details) > 0 {
			out.Errors = wrong.Details
		} else if err != nil {
			return err
		} else {
			out.Errors = append(out.Errors, a.Definitions().Check(def)...)
		}
		out.Valid = len(out.Errors) == 0
		return web.JSON(w, http.StatusOK, out)
	}
}

func createSync(a *app.App, w http.ResponseWriter, r *http.Request) error {
	def, err := readSync(a, w, r)
	if err != nil {
		return err
	}
	d, err := a.Definitions().Create(r.Context(), def)
	if err != nil {
		return err
	}
	w.Header().Set("Location", "/sync/"+url.PathEscape(d.Sync.ID))
	w.Header().Set("ETag", d.ETag())
	return web.JSON(w, http.StatusCreated, struct {
		syncJSON
		// SyncID is OurWater's name for it.
		Data struct {
			SyncID string `json:"syncId"`
		} `json:"data"`
	}{syncJSON: toSyncJSON(d), Data: struct {
		SyncID string `json:"syncId"`
	}{d.Sync.ID}})
}

// oneSync shows, replaces or deletes a definition; POST is the seed's way to run it.
func oneSync(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		id := r.PathValue("id")
		switch r.Method {
		case http.MethodPost:
			return runSync(a)(w, r)
		case http.MethodPut:
			def, err := readSync(a, w, r)
			if err != nil {
				return err
			}
			d, err := a.Definitions().Update(r.Context(), id, def, etag.IfMatch(r.Header))
			if err != nil {
				return err
			}
			return showSync(w, d)
		case http.MethodDelete:
			if err := a.Definitions().Delete(r.Context(), id, etag.IfMatch(r.Header)); err != nil {
				return err
			}
			w.WriteHeader(http.StatusNoContent)
			return nil
		default:
			d, err := a.Definitions().Get(r.Context(), id)
			if err != nil {
				return err
			}
			return showSync(w, d)
		}
	}
}

func showSync(w http.ResponseWriter, d *definition.Stored) error {
	w.Header().Set("ETag", d.ETag())
	return web.JSON(w, http.StatusOK, toSyncJSON(d))
}

// dueSyncs starts what is due and takes over what died.
func dueSyncs(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		started, takenOver, err := a.Syncs().Due(r.Context())
		if err != nil {
			return err
		}
		for i, run := range started {
			started[i] = run.Shown()
		}
		return web.JSON(w, http.StatusOK, struct {
			Started   []*syncrun.Run `json:"started"`
			TakenOver int            `json:"takenOver"`
		}{started, takenOver})
	}
}

// conflictOf answers with the run that is in the way.
func conflictOf(w http.ResponseWriter, id string, run *syncrun.Run, err error) error {
	if fault.CodeOf(err) == fault.Conflict && run != nil {
		w.Header().Set("Location", runPath(id, run.ID))
	}
	return err
}

func runPath(id, runID string) string {
	return "/sync/" + url.PathEscape(id) + "/runs/" + url.PathEscape(runID)
}
