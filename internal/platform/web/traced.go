package web

import (
	"context"
	"net/http"
	"strconv"

	"github.com/headgate/headgate/internal/platform/meter"
	"github.com/headgate/headgate/internal/platform/trace"
)

// begin begins the span of a request, as a child of the one that its headers name. If no spans
// are recorded, only the log gets the caller's trace. A span has the route and neither
// path nor query: these may hold names of persons, and credentials.
func (a *adapted) begin(r *http.Request) (*http.Request, trace.Span) {
	caller := trace.FromHeader(r.Header)
	if a.tracer == nil && !caller.HasTrace() {
		return r, trace.Span{}
	}
	ctx := trace.With(r.Context(), caller)
	if a.tracer == nil {
		return r.WithContext(ctx), trace.Span{}
	}
	method := methodOf(r)
	name := method
	if method == meter.OtherMethod {
		name = "HTTP"
	}
	if r.Pattern != "" {
		name += " " + r.Pattern
	}
	ctx, span := a.tracer.Start(ctx, trace.Server, name)
	span.SetString("http.request.method", method)
	span.SetString("http.route", r.Pattern)
	return r.WithContext(ctx), span
}

// end ends the span of a request. Where the process has CPU only during requests, the answer
// waits until the spans are exported: afterwards they might never be.
func (a *adapted) end(ctx context.Context, span trace.Span, status int) {
	if span == (trace.Span{}) {
		return
	}
	span.SetInt("http.response.status_code", status)
	if status >= http.StatusInternalServerError {
		span.Fail(strconv.Itoa(status))
	} else {
		span.End(nil)
	}
	if a.flush != nil && span.On() {
		a.flush(context.WithoutCancel(ctx))
	}
}
