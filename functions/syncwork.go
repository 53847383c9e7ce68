package functions

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/headgate/headgate/internal/app"
	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/flow"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/web"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

// workOnRun takes a Pub/Sub push with a run, and continues the run while the request lasts.
func workOnRun(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		push, err := readPush(w, r)
		if err != nil {
			return err
		}
		var t flow.Task
		if err := json.Unmarshal(push.Data, &t); err != nil || t.SyncID == "" || t.RunID == "" {
			return fault.New(fault.Invalid, "the message's data is not a run to work on")
		}
		push = event.Push{} // free its memory: a run takes minutes
		web.HoldOf(w).Shrink(0)
		if err := a.Syncs().Work(r.Context(), t.SyncID, t.RunID); err != nil {
			return fault.Wrap(fault.Unavailable, err, "the run could not be worked on; send the message again")
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
}

// runOnMessage takes a Pub/Sub push of a service's sync message, and runs the sync that
// the service's configuration names, once per eventID.
func runOnMessage(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		push, err := readPush(w, r)
		if err != nil {
			return err
		}
		service, eventID := push.Attributes["serviceName"], push.Attributes["eventID"]
		push = event.Push{} // free its memory: a run takes minutes
		web.HoldOf(w).Shrink(0)
		run, err := a.Flow().OnMessage(r.Context(), service, eventID)
		if err != nil {
			return err
		}
		if !run.State.Ended() { // now, because the platform may give this process no CPU after the answer
			if err := a.Syncs().Work(r.Context(), run.SyncID, run.ID); err != nil {
				return fault.Wrap(fault.Unavailable, err, "the run could not be worked on; send the message again")
			}
			if err := untilDone(r.Context(), a, run); err != nil {
				return err
			}
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
}

// untilDone waits for a run that this process works on already, because the platform may
// give it no CPU after the answer. It does not wait for runs that are handed on from
// request to request.
func untilDone(ctx context.Context, a *app.App, run *syncrun.Run) error {
	if !a.Syncs().Locally() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	_, err := a.Syncs().Wait(ctx, run.SyncID, run.ID, nil)
	return err
}

func readPush(w http.ResponseWriter, r *http.Request) (event.Push, error) {
	body, err := readBody(w, r, 16<<20, "the limit of a push")
	if err != nil {
		return event.Push{}, err
	}
	push, ok := event.DecodePush(body)
	if !ok {
		return event.Push{}, fault.New(fault.Invalid, "the body is not a Pub/Sub push")
	}
	return push, nil
}
