package functions

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/headgate/headgate/internal/app"
	"github.com/headgate/headgate/internal/bus"
	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/flow"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/trace"
	"github.com/headgate/headgate/internal/platform/web"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

// Pub/Sub sends a push again until it is acknowledged, for days. So a push that can never
// succeed is acknowledged, and the log says why. Only what another try can change is refused.

// workOnRun takes a Pub/Sub push with a run, and continues the run while the request lasts.
func workOnRun(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		push, ok, err := readPush(w, r)
		if err != nil {
			return err
		}
		var t flow.Task
		if ok {
			_ = json.Unmarshal(push.Data, &t)
		}
		if t.SyncID == "" || t.RunID == "" {
			return acknowledge(a, w, r, fault.New(fault.Invalid, "the body is not a Pub/Sub push of a run to work on"))
		}
		push = event.Push{} // free its memory: a run takes minutes
		web.HoldOf(w).Shrink(0)
		if err := a.Syncs().Work(r.Context(), t.SyncID, t.RunID); err != nil {
			return retried(a, w, r, err, "syncId", t.SyncID, "runId", t.RunID)
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
}

// runOnMessage takes a Pub/Sub push of a service's sync message, and runs the sync that
// the service's configuration names, once per eventID.
func runOnMessage(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		push, ok, err := readPush(w, r)
		if err != nil {
			return err
		}
		if !ok {
			return acknowledge(a, w, r, fault.New(fault.Invalid, "the body is not a Pub/Sub push"))
		}
		service, eventID := push.Attributes["serviceName"], push.Attributes["eventID"]
		ctx, span := process(r.Context(), a, push)
		push = event.Push{} // free its memory: a run takes minutes
		web.HoldOf(w).Shrink(0)
		run, err := a.Flow().OnMessage(ctx, service, eventID)
		span.End(err)
		if err != nil {
			return retried(a, w, r, err, "serviceName", service, "eventID", eventID)
		}
		if !run.State.Ended() { // now, because the platform may give this process no CPU after the answer
			if err := a.Syncs().Work(r.Context(), run.SyncID, run.ID); err != nil {
				return retried(a, w, r, err, "syncId", run.SyncID, "runId", run.ID)
			}
			if err := untilDone(r.Context(), a, run); err != nil {
				return err
			}
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
}

// process begins the span of a message that a push brings. It continues the trace of the
// message, and not that of the push.
func process(ctx context.Context, a *app.App, push event.Push) (context.Context, trace.Span) {
	ctx, span := a.Tracer().Continue(ctx, trace.Parse(push.Attributes[bus.TraceParent]), trace.Consumer, "process message")
	span.SetString("messaging.system", "gcp_pubsub")
	span.SetString("messaging.operation.name", "process")
	span.SetString("messaging.operation.type", "process")
	span.SetString("messaging.destination.subscription.name", push.Subscription)
	span.SetString("messaging.message.id", push.MessageID)
	return ctx, span
}

// retried answers a push that failed: with 503 if another try may succeed.
func retried(a *app.App, w http.ResponseWriter, r *http.Request, err error, attrs ...any) error {
	_, busy := errors.AsType[*syncrun.Busy](err)
	switch fault.CodeOf(err) {
	case fault.NotFound, fault.Invalid, fault.Gone:
		return acknowledge(a, w, r, err, attrs...)
	case fault.Conflict:
		if !busy { // a one-time sync has finished
			return acknowledge(a, w, r, err, attrs...)
		}
		return fault.Wrap(fault.Unavailable, err, "the sync is at work; send the message again")
	}
	return fault.Wrap(fault.Unavailable, err, "the run could not be worked on; send the message again")
}

// acknowledge answers a push that can never succeed, so that it does not come again.
func acknowledge(a *app.App, w http.ResponseWriter, r *http.Request, err error, attrs ...any) error {
	a.Log().WarnContext(r.Context(), "a push was acknowledged that can never succeed", append(attrs, "path", r.URL.Path, "error", err)...)
	w.WriteHeader(http.StatusNoContent)
	return nil
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

// readPush reports false for a body that is no push. Pub/Sub sends none over 16 MiB.
func readPush(w http.ResponseWriter, r *http.Request) (push event.Push, ok bool, err error) {
	body, err := readBody(w, r, 16<<20, "the limit of a push")
	if err != nil {
		return event.Push{}, false, err
	}
	push, ok = event.DecodePush(body)
	return push, ok, nil
}
