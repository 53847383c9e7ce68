package run

import (
	"context"

	"github.com/headgate/headgate/internal/platform/trace"
)

// trace begins the span of this invocation's work on the run. It continues the trace of the
// message or the request that asked for the run. Each page that is applied is a child.
func (e *execution) trace(ctx context.Context) (context.Context, trace.Span) {
	ctx, span := e.svc.o.Tracer.Continue(ctx, trace.Parse(e.run.Traceparent), trace.Internal, "sync run")
	span.SetString("headgate.sync", e.run.SyncID)
	span.SetString("headgate.run", e.run.ID)
	span.SetString("headgate.run.method", string(e.run.Method))
	span.SetString("headgate.run.trigger", e.run.Trigger)
	return ctx, span
}

// endTrace ends the span. The run tells whether it failed; err only that the store did not
// answer.
func (e *execution) endTrace(span trace.Span, err error) {
	span.SetString("headgate.run.state", string(e.run.State))
	span.SetInt("headgate.rows", int(e.run.Counts.Read))
	if err == nil && e.run.State == Failed {
		span.Fail(string(Failed))
		return
	}
	span.End(err)
}
