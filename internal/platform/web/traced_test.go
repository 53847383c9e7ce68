package web

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/obs"
	"github.com/headgate/headgate/internal/platform/trace"
	"github.com/headgate/headgate/internal/platform/trace/tracetest"
)

const caller = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

func TestRequestsAreSpans(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		method, path string
		h            Handler
		span         string
		want         map[string]any
		failed       string
	}{
		"a route": {"GET", "/things/4711?token=hush", func(w http.ResponseWriter, _ *http.Request) error {
			w.WriteHeader(http.StatusAccepted)
			return nil
		}, "GET /things/{id}", map[string]any{"http.request.method": "GET", "http.route": "/things/{id}", "http.response.status_code": 202}, ""},
		"the caller's fault": {"GET", "/things/1", func(http.ResponseWriter, *http.Request) error {
			return fault.New(fault.Invalid, "no")
		}, "GET /things/{id}", map[string]any{"http.request.method": "GET", "http.route": "/things/{id}", "http.response.status_code": 400}, ""},
		"ours": {"POST", "/things/1", func(http.ResponseWriter, *http.Request) error {
			return fault.New(fault.Unavailable, "no")
		}, "POST /things/{id}", map[string]any{"http.request.method": "POST", "http.route": "/things/{id}", "http.response.status_code": 503}, "503"},
		"a panic": {"BREW", "/things/1", func(http.ResponseWriter, *http.Request) error {
			panic("x")
		}, "HTTP /things/{id}", map[string]any{"http.request.method": "_OTHER", "http.route": "/things/{id}", "http.response.status_code": 500}, "500"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var spans tracetest.Recorder
			var log bytes.Buffer
			flushed := 0
			a := Adapter{
				Log: obs.NewLogger(&log, obs.Options{Format: obs.Logfmt, Level: slog.LevelDebug}), Tracer: trace.New(&spans),
				FlushSpans: func(context.Context) {
					flushed++
					require.NotEmpty(t, spans.Ended(), "the request's own span has ended")
				},
			}
			mux := http.NewServeMux()
			mux.Handle("/things/{id}", a.Handler(c.h))
			r := httptest.NewRequest(c.method, c.path, nil)
			r.Header.Set("Traceparent", caller)
			mux.ServeHTTP(httptest.NewRecorder(), r)
			all := spans.Ended()
			require.Len(t, all, 1)
			require.Equal(t, c.span, all[0].Name)
			require.Equal(t, trace.Server, all[0].Kind)
			require.Equal(t, trace.Parse(caller), all[0].Parent)
			require.Equal(t, c.want, all[0].Attributes)
			require.Equal(t, c.failed, all[0].Failed)
			require.Equal(t, 1, flushed)
			require.Contains(t, log.String(), "trace="+trace.Parse(caller).TraceID())
		})
	}
}

func TestUnsampledRequestsAreNotExported(t *testing.T) {
	t.Parallel()
	var spans tracetest.Recorder
	a := Adapter{Tracer: trace.New(&spans), FlushSpans: func(context.Context) { t.Error("there is nothing to export") }}
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Traceparent", caller[:len(caller)-1]+"0")
	a.Handler(func(_ http.ResponseWriter, r *http.Request) error {
		require.Equal(t, trace.Parse(caller).TraceID(), trace.Of(r.Context()).TraceID())
		require.False(t, trace.Of(r.Context()).Sampled)
		return nil
	}).ServeHTTP(httptest.NewRecorder(), r)
}

// discard is a ResponseWriter that allocates nothing.
type discard struct{ h http.Header }

func (d discard) Header() http.Header         { return d.h }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

func TestRequestsWithoutTracingAllocateNothing(t *testing.T) { // not parallel: AllocsPerRun counts what others allocate
	h := Adapter{}.Handler(func(http.ResponseWriter, *http.Request) error { return nil })
	r := httptest.NewRequest("GET", "/", nil)
	w := discard{http.Header{}}
	h.ServeHTTP(w, r)
	require.Zero(t, testing.AllocsPerRun(100, func() { h.ServeHTTP(w, r) }))
}
