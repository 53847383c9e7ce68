package outbound

import (
	"net/http"
	"strconv"

	"github.com/headgate/headgate/internal/platform/trace"
)

// traced begins the span of a call within a trace, and names it in the call's traceparent. Of
// the URL the span has only the host: the rest may hold credentials. A call that is repeated
// is one span.
func traced(req *http.Request) (*http.Request, trace.Span) {
	ctx, span := trace.Start(req.Context(), trace.Client, req.Method)
	parent := trace.Parent(ctx)
	if parent == "" {
		return req, span
	}
	span.SetString("http.request.method", req.Method)
	span.SetString("server.address", req.URL.Hostname())
	if port, err := strconv.Atoi(req.URL.Port()); err == nil {
		span.SetInt("server.port", port)
	}
	out := req.WithContext(ctx) // a RoundTripper must not change its request
	out.Header = req.Header.Clone()
	if out.Header == nil {
		out.Header = make(http.Header, 1)
	}
	out.Header.Set("Traceparent", parent)
	return out, span
}

// endTraced ends the span of a call, whose body is not read yet.
func endTraced(span trace.Span, resp *http.Response, err error) {
	if err != nil {
		span.End(err)
		return
	}
	span.SetInt("http.response.status_code", resp.StatusCode)
	if resp.StatusCode >= http.StatusBadRequest { // of a client span, the conventions count these as errors
		span.Fail(strconv.Itoa(resp.StatusCode))
		return
	}
	span.End(nil)
}
