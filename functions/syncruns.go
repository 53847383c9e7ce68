package functions

import (
	"context"
	"net/http"
	"time"

	"github.com/headgate/headgate/internal/app"
	"github.com/headgate/headgate/internal/audit"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/web"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

// maxWait bounds the time for which ?wait=true waits for a run. Platforms give a request
// longer. If the run takes longer, the answer is 202 with the run as it then is.
const maxWait = 4 * time.Minute

// runSync starts a run.
func runSync(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		q, err := query(r, "method", "wait", "allowDeletes")
		if err != nil {
			return err
		}
		o := syncrun.Start{Trigger: "request"}
		if q.Has("method") {
			var ok bool
			if o.Method, ok = syncrun.ParseMethod(q.Get("method")); !ok {
				return fault.New(fault.Invalid, "method must be validate, pull, push or both, not %.40q", q.Get("method"))
			}
		}
		if o.AllowDeletes, err = boolean(q.Get("allowDeletes"), "allowDeletes"); err != nil {
			return err
		}
		wait, err := boolean(q.Get("wait"), "wait")
		if err != nil {
			return err
		}
		return startRun(a, w, r, o, wait)
	}
}

// retryRejects starts a run for the rejected rows only.
func retryRejects(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		q, err := query(r, "wait")
		if err != nil {
			return err
		}
		wait, err := boolean(q.Get("wait"), "wait")
		if err != nil {
			return err
		}
		return startRun(a, w, r, syncrun.Start{Trigger: "request", Retry: true}, wait)
	}
}

func startRun(a *app.App, w http.ResponseWriter, r *http.Request, o syncrun.Start, wait bool) error {
	id := r.PathValue("id")
	run, err := a.Syncs().Start(r.Context(), id, o)
	if err != nil {
		return conflictOf(w, id, run, err)
	}
	audit.Note(r.Context(), "runId", run.ID)
	if wait {
		ctx, cancel := context.WithTimeout(r.Context(), maxWait)
		defer cancel()
		if run, err = a.Syncs().Wait(ctx, id, run.ID, nil); err != nil {
			return err
		}
	}
	status := http.StatusAccepted
	if run.State.Ended() {
		status = http.StatusOK
	}
	w.Header().Set("Location", runPath(id, run.ID))
	return web.JSON(w, status, runJSON(run))
}

// runAnswer is a run with OurWater's name for its id.
type runAnswer struct {
	*syncrun.Run
	Data struct {
		SyncRunID string `json:"syncRunId"`
	} `json:"data" description:"OurWater's form of the answer."`
}

type runsJSON struct {
	Runs []*syncrun.Run `json:"runs"`
}

type rejectsJSON struct {
	Rejects []*syncrun.Rejected    `json:"rejects"`
	Next    *string                `json:"next" description:"The value of after for the next page; null at the end."`
	Summary *syncrun.RejectSummary `json:"summary,omitempty" description:"Present if the query asks for it."`
}

type conflictsJSON struct {
	Conflicts []*syncrun.Conflict `json:"conflicts"`
	Next      *string             `json:"next" description:"The value of after for the next page; null at the end."`
}

type decidedJSON struct {
	Conflict *syncrun.Conflict `json:"conflict" description:"The fields that still need a decision; null if none."`
}

func runJSON(run *syncrun.Run) runAnswer {
	out := runAnswer{Run: run.Shown()}
	out.Data.SyncRunID = run.ID
	return out
}

// listRuns lists the latest runs, newest first.
func listRuns(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		q, err := query(r, "limit")
		if err != nil {
			return err
		}
		limit, err := limitOf(q.Get("limit"), 20)
		if err != nil {
			return err
		}
		runs, err := a.Syncs().Runs(r.Context(), r.PathValue("id"), limit)
		if err != nil {
			return err
		}
		for i, run := range runs {
			runs[i] = run.Shown()
		}
		return web.JSON(w, http.StatusOK, runsJSON{runs})
	}
}

func getRun(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		run, err := a.Syncs().Run(r.Context(), r.PathValue("id"), r.PathValue("runId"))
		if err != nil {
			return err
		}
		return web.JSON(w, http.StatusOK, run.Shown())
	}
}

// cancelRun asks a run to stop after its current page.
func cancelRun(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		run, err := a.Syncs().Cancel(r.Context(), r.PathValue("id"), r.PathValue("runId"))
		if err != nil {
			return err
		}
		w.Header().Set("Location", runPath(r.PathValue("id"), run.ID))
		return web.JSON(w, http.StatusAccepted, run.Shown())
	}
}

// relinkSync links a sync's records to its rows anew, or says what that would do.
func relinkSync(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		q, err := query(r, "confirm")
		if err != nil {
			return err
		}
		confirmed, err := boolean(q.Get("confirm"), "confirm")
		if err != nil {
			return err
		}
		out, err := a.Syncs().Relink(r.Context(), r.PathValue("id"), confirmed)
		if err != nil {
			return err
		}
		return web.JSON(w, http.StatusOK, out)
	}
}

// listRejects lists the rows that were rejected.
func listRejects(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		q, err := query(r, "limit", "after", "reason", "summary")
		if err != nil {
			return err
		}
		limit, err := limitOf(q.Get("limit"), defaultPage)
		if err != nil {
			return err
		}
		summary, err := boolean(q.Get("summary"), "summary")
		if err != nil {
			return err
		}
		var out rejectsJSON
		var next string
		id := r.PathValue("id")
		if q.Has("reason") {
			out.Rejects, next, err = a.Syncs().RejectsOf(r.Context(), id, q.Get("reason"), q.Get("after"), limit)
		} else {
			out.Rejects, next, err = a.Syncs().Rejects(r.Context(), id, q.Get("after"), limit)
		}
		if err != nil {
			return err
		}
		if summary {
			if out.Summary, err = a.Syncs().RejectSummary(r.Context(), id); err != nil {
				return err
			}
		}
		out.Rejects, out.Next = orEmpty(out.Rejects), orNull(next)
		return web.JSON(w, http.StatusOK, out)
	}
}

// listConflicts lists the records that wait for a decision.
func listConflicts(a *app.App) web.Handler {
	return pageOf(a.Syncs().Conflicts, func(list []*syncrun.Conflict, next *string) any { return conflictsJSON{list, next} })
}

// pageOf answers with a page of a sync's list, and the id after which the next page begins.
func pageOf[T any](list func(ctx context.Context, id, after string, limit int) ([]T, string, error), answer func([]T, *string) any) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		q, err := query(r, "limit", "after")
		if err != nil {
			return err
		}
		limit, err := limitOf(q.Get("limit"), defaultPage)
		if err != nil {
			return err
		}
		page, next, err := list(r.Context(), r.PathValue("id"), q.Get("after"), limit)
		if err != nil {
			return err
		}
		return web.JSON(w, http.StatusOK, answer(page, orNull(next)))
	}
}

// decideConflict settles a conflict.
func decideConflict(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		q, err := query(r, "type")
		if err != nil {
			return err
		}
		var d syncrun.Decision
		if err := readJSON(w, r, &d); err != nil {
			return err
		}
		if err := web.Answering(r.Context(), w, maxDocument); err != nil {
			return err
		}
		left, err := a.Syncs().Decide(r.Context(), r.PathValue("id"), q.Get("type"), r.PathValue("recordId"), d)
		if err != nil {
			return err
		}
		return web.JSON(w, http.StatusOK, decidedJSON{left})
	}
}
