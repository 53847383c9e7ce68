package launch_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/functions"
	"github.com/headgate/headgate/internal/platform/hosting"
	"github.com/headgate/headgate/internal/platform/launch"
	"github.com/headgate/headgate/internal/platform/telemetry/otlptest"
)

// lockedBuffer is a log that may be read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

// measured returns the lines of measurements, as "metric label=value … = value".
func (b *lockedBuffer) measured(t *testing.T) []string {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []string
	for text := range strings.Lines(b.String()) {
		var l struct {
			Msg, Metric string
			Labels      map[string]string
		}
		require.NoError(t, json.Unmarshal([]byte(text), &l))
		if l.Msg == "measured" {
			out = append(out, l.Metric+" "+l.Labels["service"]+" "+l.Labels["completion"])
		}
	}
	return out
}

// serve opens a deployment on an embedded store, on the platform, and returns how to call it.
//
// answers says that the receiver takes the last export.
func serve(t *testing.T, platform hosting.Platform, answers bool) (call func(method, path string) *httptest.ResponseRecorder, log *lockedBuffer) {
	t.Helper()
	log = new(lockedBuffer)
	s := launch.FromEnv(os.Getenv)
	s.Platform, s.Store, s.Bus, s.Data, s.Serves = platform, launch.SQLite, launch.Local, t.TempDir(), true
	cfg, err := config.Parse([]byte(`{"serviceName":"jobs","trigger":{"type":"window","observationPeriod":3600},
		"endpoints":[{"eventKey":"a"},{"eventKey":"b"}],"targetPubSub":{"topic":"projects/acme-jobs/topics/sync"}}`))
	require.NoError(t, err)
	a, err := launch.Open(t.Context(), s, cfg, slog.New(slog.NewJSONHandler(log, nil)))
	require.NoError(t, err)
	t.Cleanup(func() { require.Equal(t, answers, a.Close(context.Background()) == nil) })
	h, err := functions.Handler(a)
	require.NoError(t, err)
	return func(method, path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
		require.Equal(t, http.StatusOK, w.Code, "%s %s: %s", method, path, w.Body)
		return w
	}, log
}

// On Cloud Run, a message is a line of the log, and a sweep exports the gauges. No metric is
// exported otherwise. The exporters read the environment of the process, so the test is not
// parallel.
func TestOnCloudRunSweepsExport(t *testing.T) {
	r := otlptest.New(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", r.URL)
	t.Setenv("OTEL_METRIC_EXPORT_INTERVAL", "1") // an exporter in the background would not wait
	t.Setenv("OTEL_TRACES_EXPORTER", "none")     // requests export spans
	call, log := serve(t, hosting.CloudRun, true)
	call("POST", "/event/a")
	call("POST", "/event/b")
	call("POST", "/event/a")
	require.Equal(t, []string{"headgate.messages jobs complete"}, log.measured(t), "one line for the message, and none for its events")
	require.Never(t, func() bool { return r.Exports() > 0 }, 100*time.Millisecond, 5*time.Millisecond)

	call("POST", "/sweep")
	require.EqualValues(t, 1, r.Value(t, "headgate.endpoint.have", map[string]string{"headgate.service": "jobs", "headgate.endpoint": "a"}))
	require.EqualValues(t, 0, r.Value(t, "headgate.backlog", map[string]string{"headgate.service": "jobs"}))
	require.Nil(t, r.Metric("headgate.messages"))
	require.Contains(t, log.measured(t), "headgate.sweep.duration jobs ")
	exports := r.Exports()
	call("POST", "/sweep")
	require.Equal(t, exports, r.Exports(), "the next sweep, of another service perhaps, exports nothing new")
}

// On a machine the exporter needs no request, and exports counters as well.
func TestOnAMachineAnExporterRuns(t *testing.T) {
	r := otlptest.New(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", r.URL)
	t.Setenv("OTEL_METRIC_EXPORT_INTERVAL", "10")
	call, log := serve(t, hosting.Machine, true)
	call("POST", "/event/a")
	call("POST", "/event/b")
	require.Eventually(t, func() bool { return r.Metric("headgate.messages") != nil && r.Metric("headgate.endpoint.need") != nil }, time.Minute, 5*time.Millisecond)
	require.EqualValues(t, 1, r.Value(t, "headgate.messages", map[string]string{"headgate.completion": "complete"}))
	require.Empty(t, log.measured(t))
}

// A receiver that does not answer costs a line in the log, and nothing else.
func TestOnCloudRunASweepDoesNotFailWithItsExport(t *testing.T) {
	r := otlptest.New(t)
	r.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", r.URL)
	t.Setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "100")
	call, log := serve(t, hosting.CloudRun, false)
	call("POST", "/sweep")
	log.mu.Lock()
	defer log.mu.Unlock()
	require.Contains(t, log.String(), "telemetry could not be exported")
}
