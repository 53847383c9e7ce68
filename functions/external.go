package functions

import (
	"context"
	"net/http"
	"net/url"

	"github.com/headgate/headgate/internal/app"
	"github.com/headgate/headgate/internal/audit"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/web"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

// externalRequest is the body of DataCollect's request to run a sync.
type externalRequest struct {
	ConfigID    string               `json:"configId" decode:"required" description:"The id of the sync."`
	Credentials *externalCredentials `json:"credentials,omitempty" description:"They hold for this run and are kept nowhere; if omitted, the definition's own."`
}

type externalCredentials struct {
	Username string `json:"username" decode:"required,secret" description:"The user at the system outside."`
	Password string `json:"password" decode:"secret"`
}

type externalSyncJSON struct {
	Status string   `json:"status" enum:"success,partial,running,failed" description:"partial: some rows were rejected. running: the run takes longer than a request may."`
	RunID  string   `json:"runId"`
	Errors []string `json:"errors,omitempty" description:"Why the run failed."`
}

// runExternal runs a sync and answers when it has ended, as DataCollect does.
func runExternal(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if _, err := query(r); err != nil {
			return err
		}
		var in externalRequest
		if err := readJSON(w, r, &in); err != nil {
			return err
		}
		o := syncrun.Start{Trigger: "request"}
		if in.Credentials != nil {
			o = o.As(in.Credentials.Username, in.Credentials.Password)
		}
		audit.Object(r.Context(), "/sync/"+url.PathEscape(in.ConfigID))
		run, err := a.Syncs().Start(r.Context(), in.ConfigID, o)
		if err != nil {
			return conflictOf(w, in.ConfigID, run, err)
		}
		audit.Note(r.Context(), "runId", run.ID)
		ctx, cancel := context.WithTimeout(r.Context(), maxWait)
		defer cancel()
		if run, err = a.Syncs().Wait(ctx, in.ConfigID, run.ID, nil); err != nil {
			return err
		}
		w.Header().Set("Location", runPath(in.ConfigID, run.ID))
		out := externalSyncJSON{Status: "success", RunID: run.ID}
		switch run.State {
		case syncrun.Finished:
		case syncrun.Partial:
			out.Status = "partial"
		case syncrun.Cancelled:
			return fault.New(fault.Conflict, "run %s was cancelled", run.ID)
		case syncrun.Failed:
			out.Status, out.Errors = "failed", run.Errors
			return web.JSON(w, http.StatusBadGateway, out)
		default:
			out.Status = "running"
			return web.JSON(w, http.StatusAccepted, out)
		}
		return web.JSON(w, http.StatusOK, out)
	}
}
