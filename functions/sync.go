package functions

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/headgate/headgate/internal/app"
	"github.com/headgate/headgate/internal/audit"
	"github.com/headgate/headgate/internal/doctor"
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
	Sync      definition.Sync `json:"sync" description:"The definition, with its credentials redacted."`
	// LastSyncDate is OurWater's form of a time.
	LastSyncDate int64                          `json:"lastSyncDate" description:"When a run last succeeded, in milliseconds since 1970; before that the definition's lastSyncDate, or 0."`
	Cursors      map[string]syncrun.PlaceOfType `json:"cursors,omitempty" description:"By datatype, up to when changes were pulled and pushed."`
	// Owner is "" of a definition that requests change.
	Owner definition.Owner `json:"owner,omitempty" enum:"config,dropped" description:"config: the configuration declares the sync, and requests cannot change it. dropped: it declared the sync once and does so no longer; the sync goes on until it is deleted. Absent: requests change it."`
	Next  *time.Time       `json:"next,omitempty" description:"When the sync is due, if it has a schedule. A time that has passed means that nobody asked for due syncs since."`
	// LastRun is present where a list was asked for with runs.
	LastRun *lastRunJSON `json:"lastRun,omitempty" description:"The latest run, in a list with runs. Absent: there was none, or it is not kept any more."`
}

// lastRunJSON is a run as a list of syncs shows it.
type lastRunJSON struct {
	ID         string         `json:"id"`
	Method     syncrun.Method `json:"method" enum:"validate,pull,push,both"`
	State      syncrun.State  `json:"state" enum:"pending,running,finished,partial,failed,cancelled" description:"partial: the run ended, and rows were rejected."`
	StartedAt  time.Time      `json:"startedAt"`
	FinishedAt *time.Time     `json:"finishedAt,omitempty"`
	Counts     syncrun.Counts `json:"counts"`
	Error      string         `json:"error,omitempty" description:"The first error."`
}

func toLastRun(r *syncrun.Run) *lastRunJSON {
	if r == nil {
		return nil
	}
	out := &lastRunJSON{ID: r.ID, Method: r.Method, State: r.State, StartedAt: r.StartedAt, FinishedAt: timeOrNull(r.FinishedAt), Counts: r.Counts}
	if len(r.Errors) > 0 {
		out.Error = r.Errors[0]
	}
	return out
}

type syncsJSON struct {
	Syncs []syncJSON `json:"syncs"`
}

type checkedJSON struct {
	Valid  bool           `json:"valid"`
	Errors []fault.Detail `json:"errors" description:"Every fault of the definition."`
}

type dueJSON struct {
	Started   []*syncrun.Run `json:"started" description:"The runs that were due."`
	TakenOver int            `json:"takenOver" description:"How many runs whose process died continue now."`
}

// createdSyncJSON is a new sync, with OurWater's name for its id as well.
type createdSyncJSON struct {
	syncJSON
	Data struct {
		SyncID string `json:"syncId"`
	} `json:"data" description:"OurWater's form of the answer."`
}

func toSyncJSON(ctx context.Context, a *app.App, list ...*definition.Stored) ([]syncJSON, error) {
	ids, out := make([]string, len(list)), make([]syncJSON, len(list))
	for i, d := range list {
		ids[i] = d.Sync.ID
	}
	places, err := a.Syncs().Places(ctx, ids)
	if err != nil {
		return nil, err
	}
	for i, d := range list {
		last := places[i].LastSync
		if last.IsZero() {
			last, _ = d.Sync.FirstCursor() // a stored definition has no fault there
		}
		out[i] = syncJSON{ID: d.Sync.ID, Version: d.Version, CreatedAt: d.CreatedAt, UpdatedAt: d.UpdatedAt, Sync: d.Sync.Redact(), Cursors: places[i].Datatypes, Owner: a.Definitions().Owner(d)}
		if !last.IsZero() {
			out[i].LastSyncDate = last.UnixMilli()
		}
		if due := d.Due(); due.UnixMicro() != 0 {
			out[i].Next = &due
		}
	}
	return out, nil
}

func readSync(a *app.App, w http.ResponseWriter, r *http.Request) (*definition.Sync, error) {
	body, err := readBody(w, r, maxDefinition, "the limit of a definition")
	if err != nil {
		return nil, err
	}
	return a.Definitions().Decode(body)
}

// listSyncs lists the definitions.
func listSyncs(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		q, err := query(r, "orgId", "runs")
		if err != nil {
			return err
		}
		runs, err := boolean(q.Get("runs"), "runs")
		if err != nil {
			return err
		}
		list, err := a.Definitions().List(r.Context(), q.Get("orgId"))
		if err != nil {
			return err
		}
		syncs, err := toSyncJSON(r.Context(), a, list...)
		if err != nil {
			return err
		}
		if runs {
			if err := addLastRuns(r.Context(), a, syncs); err != nil {
				return err
			}
		}
		return web.JSON(w, http.StatusOK, syncsJSON{syncs})
	}
}

func addLastRuns(ctx context.Context, a *app.App, syncs []syncJSON) error {
	ids := make([]string, len(syncs))
	for i := range syncs {
		ids[i] = syncs[i].ID
	}
	runs, err := a.Syncs().LastRuns(ctx, ids)
	if err != nil {
		return err
	}
	for i, run := range runs {
		syncs[i].LastRun = toLastRun(run)
	}
	return nil
}

// checkSync lists the faults of a definition, and stores nothing.
func checkSync(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		out := checkedJSON{Errors: []fault.Detail{}}
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

// createSync stores a new definition.
func createSync(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		def, err := readSync(a, w, r)
		if err != nil {
			return err
		}
		d, err := a.Definitions().Create(r.Context(), def)
		if err != nil {
			return err
		}
		return showCreated(a, w, r, d)
	}
}

func showCreated(a *app.App, w http.ResponseWriter, r *http.Request, d *definition.Stored) error {
	audit.Object(r.Context(), "/sync/"+url.PathEscape(d.Sync.ID))
	shown, err := toSyncJSON(r.Context(), a, d)
	if err != nil {
		return err
	}
	w.Header().Set("Location", "/sync/"+url.PathEscape(d.Sync.ID))
	w.Header().Set("ETag", d.ETag())
	out := createdSyncJSON{syncJSON: shown[0]}
	out.Data.SyncID = d.Sync.ID
	return web.JSON(w, http.StatusCreated, out)
}

// getSync shows a definition.
func getSync(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		d, err := a.Definitions().Get(r.Context(), r.PathValue("id"))
		if err != nil {
			return err
		}
		return showSync(a, w, r, d)
	}
}

// updateSync replaces a definition.
func updateSync(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		def, err := readSync(a, w, r)
		if err != nil {
			return err
		}
		d, err := a.Definitions().Update(r.Context(), r.PathValue("id"), def, etag.IfMatch(r.Header))
		if err != nil {
			return err
		}
		return showSync(a, w, r, d)
	}
}

// deleteSync deletes a definition. The records that it synced stay.
func deleteSync(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := a.Definitions().Delete(r.Context(), r.PathValue("id"), etag.IfMatch(r.Header)); err != nil {
			return err
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
}

func showSync(a *app.App, w http.ResponseWriter, r *http.Request, d *definition.Stored) error {
	shown, err := toSyncJSON(r.Context(), a, d)
	if err != nil {
		return err
	}
	w.Header().Set("ETag", d.ETag())
	return web.JSON(w, http.StatusOK, shown[0])
}

// startDue starts the syncs that are due, and takes over runs whose process died.
func startDue(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		a.Declare(r.Context())
		started, takenOver, err := a.Syncs().Due(r.Context())
		if err != nil {
			return err
		}
		a.Beat(r.Context(), doctor.DueBeat)
		for i, run := range started {
			started[i] = run.Shown()
		}
		return web.JSON(w, http.StatusOK, dueJSON{started, takenOver})
	}
}

// conflictOf adds the path of the run that caused the conflict to the answer.
func conflictOf(w http.ResponseWriter, id string, run *syncrun.Run, err error) error {
	if fault.CodeOf(err) == fault.Conflict && run != nil {
		w.Header().Set("Location", runPath(id, run.ID))
	}
	return err
}

func runPath(id, runID string) string {
	return "/sync/" + url.PathEscape(id) + "/runs/" + url.PathEscape(runID)
}
