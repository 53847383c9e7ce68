// Package otlptest is a receiver of OTLP over HTTP for tests: it decodes what a process
// exports and keeps it.
package otlptest

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	collectmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	collecttraces "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	traces "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// Receiver keeps what was exported to it.
type Receiver struct {
	URL   string // the value of OTEL_EXPORTER_OTLP_ENDPOINT
	Close func() // ends it before the test does

	mu      sync.Mutex
	metrics []*metrics.ResourceMetrics
	spans   []*traces.ResourceSpans
	exports int
}

// New starts a receiver, which ends with the test.
func New(t *testing.T) *Receiver {
	t.Helper()
	r := &Receiver{}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/metrics", func(w http.ResponseWriter, req *http.Request) {
		var got collectmetrics.ExportMetricsServiceRequest
		if decode(w, req, &got) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.exports++
			r.metrics = append(r.metrics, got.GetResourceMetrics()...)
		}
	})
	mux.HandleFunc("POST /v1/traces", func(w http.ResponseWriter, req *http.Request) {
		var got collecttraces.ExportTraceServiceRequest
		if decode(w, req, &got) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.exports++
			r.spans = append(r.spans, got.GetResourceSpans()...)
		}
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	r.URL, r.Close = server.URL, server.Close
	return r
}

func decode(w http.ResponseWriter, r *http.Request, into proto.Message) bool {
	var body io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return false
		}
		body = unzipped
	}
	data, err := io.ReadAll(body)
	if err == nil {
		err = proto.Unmarshal(data, into)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return false
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
	return true
}

// Exports returns how many requests the receiver has accepted.
func (r *Receiver) Exports() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.exports
}

// Spans returns the spans in the order in which they arrived, and the last resource's
// attributes that are text.
func (r *Receiver) Spans() (spans []*traces.Span, resource map[string]string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	resource = map[string]string{}
	for _, rs := range r.spans {
		for _, a := range rs.GetResource().GetAttributes() {
			resource[a.GetKey()] = a.GetValue().GetStringValue()
		}
		for _, s := range rs.GetScopeSpans() {
			spans = append(spans, s.GetSpans()...)
		}
	}
	return spans, resource
}

// Metric returns what arrived last of the metric of that name; nil: nothing did.
func (r *Receiver) Metric(name string) (last *metrics.Metric) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, rm := range r.metrics {
		for _, s := range rm.GetScopeMetrics() {
			for _, m := range s.GetMetrics() {
				if m.GetName() == name {
					last = m
				}
			}
		}
	}
	return last
}

// Value returns the sum of the metric's points that have all of the labels: of a histogram,
// the number of measurements. The metric must have arrived.
func (r *Receiver) Value(t *testing.T, name string, labels map[string]string) float64 {
	t.Helper()
	m := r.Metric(name)
	require.NotNil(t, m, name)
	points := append(m.GetSum().GetDataPoints(), m.GetGauge().GetDataPoints()...)
	sum := 0.0
	has := func(n int, key func(int) (string, string)) bool {
		found := 0
		for i := range n {
			if k, v := key(i); labels[k] == v && v != "" {
				found++
			}
		}
		return found == len(labels)
	}
	for _, p := range points {
		if has(len(p.GetAttributes()), func(i int) (string, string) {
			return p.GetAttributes()[i].GetKey(), p.GetAttributes()[i].GetValue().GetStringValue()
		}) {
			sum += p.GetAsDouble() + float64(p.GetAsInt())
		}
	}
	for _, p := range m.GetHistogram().GetDataPoints() {
		if has(len(p.GetAttributes()), func(i int) (string, string) {
			return p.GetAttributes()[i].GetKey(), p.GetAttributes()[i].GetValue().GetStringValue()
		}) {
			sum += float64(p.GetCount())
		}
	}
	return sum
}
