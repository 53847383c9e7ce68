package functions

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/headgate/headgate/internal/app"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/web"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

// maxWait is how long ?wait=true waits for a run: less than a platform gives a
// request. A run that takes longer is answered as it then is, with 202.
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

// retryRejects runs over what was rejected.
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
	} `json:"data"`
}

func runJSON(run *syncrun.Run) runAnswer {
	out := runAnswer{Run: run.Shown()}
	out.Data.SyncRunID = run.ID
	return out
}

func boolean(s, name string) (bool, error) {
	if s == "" {
		return false, nil
	}
	b, err := strconv.ParseBool(s)
	if err != nil {
		return false, fault.New(fault.Invalid, "%s must be true or false", name)
	}
	return b, nil
}

// syncRuns lists the latest runs, newest first.
func syncRuns(a *app.App) web.Handler {
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
		return web.JSON(w, http.StatusOK, struct {
			Runs []*syncrun.Run `json:"runs"`
		}{runs})
	}
}

func limitOf(s string, byDefault int) (int, error) {
	if s == "" {
		return byDefault, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > maxPage {
		return 0, fault.New(fault.Invalid, "limit must be an integer from 1 to %d", maxPage)
	}
	return n, nil
}

func syncRun(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		run, err := a.Syncs().Run(r.Context(), r.PathValue("id"), r.PathValue("runId"))
		if err != nil {
			return err
		}
		return web.JSON(w, http.StatusOK, run.Shown())
	}
}

// cancelRun asks a run to stop at its next page.
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

// rejects lists the rows that were refused.
func rejects(a *app.App) web.Handler { return pageOf("rejects", a.Syncs().Rejects) }

// conflicts lists the records that wait for a decision.
func conflicts(a *app.App) web.Handler { return pageOf("conflicts", a.Syncs().Conflicts) }

// pageOf answers with a page of what list has of a sync, and the id to go on after.
func pageOf[T any](name string, list func(ctx context.Context, id, after string, limit int) ([]T, string, error)) web.Handler {
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
		return web.JSON(w, http.StatusOK, map[string]any{name: page, "next": orNull(next)})
	}
}

// decide settles a conflict.
func decide(a *app.App) web.Handler {
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
		return web.JSON(w, http.StatusOK, struct {
			Conflict *syncrun.Conflict `json:"conflict"` // what is left of it
		}{left})
	}
}
