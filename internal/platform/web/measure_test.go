package web

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/meter"
	"github.com/headgate/headgate/internal/platform/meter/metertest"
)

// A request is measured by its route and its status, also if it fails or panics. Names that
// callers make up are no labels.
func TestRequestsAreMeasured(t *testing.T) {
	t.Parallel()
	m := new(metertest.Recorder)
	a := Adapter{Meter: meter.New(m)}
	mux := http.NewServeMux()
	mux.Handle("/ok/{id}", a.Handler(func(http.ResponseWriter, *http.Request) error { return nil }))
	mux.Handle("GET /fails", a.Handler(func(http.ResponseWriter, *http.Request) error { return fault.New(fault.Conflict, "no") }))
	mux.Handle("/panics", a.Handler(func(http.ResponseWriter, *http.Request) error { panic("x") }))
	mux.Handle("/live", a.Handler(func(w http.ResponseWriter, _ *http.Request) error {
		w.(*response).hijacked = true // as a WebSocket does
		return nil
	}))
	call := func(method, path string, change func(*http.Request)) {
		r := httptest.NewRequest(method, path, nil)
		if change != nil {
			change(r)
		}
		mux.ServeHTTP(httptest.NewRecorder(), r)
	}
	call("GET", "/ok/1", nil)
	call("GET", "/ok/2", func(r *http.Request) { r.TLS = new(tls.ConnectionState) })
	call("MADEUP", "/ok/3", func(r *http.Request) { r.Header.Set("X-Forwarded-Proto", "https") })
	call("TRACE", "/ok/4", nil) // spans name it, and so do measurements
	call("GET", "/fails", nil)
	call("GET", "/panics", nil)
	call("GET", "/live", nil)
	for _, labels := range [][]string{
		{"GET", "/ok/{id}", "200", "http"}, {"GET", "/ok/{id}", "200", "https"}, {"_OTHER", "/ok/{id}", "200", "https"}, {"TRACE", "/ok/{id}", "200", "http"},
		{"GET", "/fails", "409", "http"}, {"GET", "/panics", "500", "http"},
	} {
		require.Equal(t, 1, m.Times(meter.HTTPDuration, labels...), labels)
	}
	require.Zero(t, m.Times(meter.HTTPDuration, "GET", "/live", "0", "http"))
}
