package telemetry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/headgate/headgate/internal/platform/meter"
	"github.com/headgate/headgate/internal/platform/telemetry/otlptest"
	"github.com/headgate/headgate/internal/platform/trace"
)

// prometheus returns what Prometheus would read, by sample.
func prometheus(t *testing.T, x *Telemetry) map[string]float64 {
	t.Helper()
	var b strings.Builder
	require.NoError(t, x.WritePrometheus(t.Context(), &b))
	out := make(map[string]float64)
	for line := range strings.Lines(b.String()) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		at := strings.LastIndex(line, " ")
		v, err := strconv.ParseFloat(strings.TrimSpace(line[at+1:]), 64)
		require.NoError(t, err, line)
		require.NotContains(t, out, line[:at], "one sample of a series")
		out[line[:at]] = v
	}
	return out
}

func TestMeasurementsArePushedAndScraped(t *testing.T) {
	r := otlptest.New(t)
	x := start(t, true, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": r.URL, "OTEL_METRICS_EXPORTER": "otlp,prometheus"})
	t.Cleanup(func() { _ = x.Close(context.Background()) })
	x.Observe(func(_ context.Context, _ func(*meter.Metric) bool, set meter.Set) error {
		set(meter.Backlog, 3, "jobs")
		set(meter.LiveFrames, 17)
		return errors.New("the rest cannot be read")
	})
	m := x.Meter()
	m.Add(meter.Events, 2, "jobs", `a "key"`, meter.EventStored)
	m.Add(meter.Events, 1, "jobs", `a "key"`, meter.EventStored)
	m.Took(meter.CheckDuration, 30*time.Millisecond, "jobs", meter.Succeeded)
	m.Took(meter.StoreDuration, time.Millisecond, "sqlite", "Claim", "")
	m.Took(meter.HTTPDuration, time.Millisecond, "GET", "/status", "200", "http")

	require.NoError(t, x.Flush(t.Context()))
	require.EqualValues(t, 3, r.Value(t, "headgate.events", map[string]string{"headgate.endpoint": `a "key"`}))
	require.EqualValues(t, 1, r.Value(t, "headgate.check.duration", nil))
	require.EqualValues(t, 3, r.Value(t, "headgate.backlog", map[string]string{"headgate.service": "jobs"}))
	require.EqualValues(t, 17, r.Value(t, "headgate.live.frames", nil))
	require.True(t, r.Metric("headgate.live.frames").GetSum().GetIsMonotonic())
	require.Equal(t, "{event}", r.Metric("headgate.events").GetUnit())

	got := prometheus(t, x)
	require.EqualValues(t, 3, got[`headgate_events_total{headgate_endpoint="a \"key\"",headgate_result="stored",headgate_service="jobs"}`])
	require.EqualValues(t, 0, got[`headgate_check_duration_seconds_bucket{headgate_result="success",headgate_service="jobs",le="0.025"}`])
	require.EqualValues(t, 1, got[`headgate_check_duration_seconds_bucket{headgate_result="success",headgate_service="jobs",le="0.05"}`])
	require.EqualValues(t, 1, got[`headgate_check_duration_seconds_bucket{headgate_result="success",headgate_service="jobs",le="+Inf"}`])
	require.EqualValues(t, 1, got[`headgate_check_duration_seconds_count{headgate_result="success",headgate_service="jobs"}`])
	require.InDelta(t, .03, got[`headgate_check_duration_seconds_sum{headgate_result="success",headgate_service="jobs"}`], 1e-9)
	require.EqualValues(t, 1, got[`db_client_operation_duration_seconds_count{db_operation_name="Claim",db_system_name="sqlite"}`], "without an error type")
	require.EqualValues(t, 1, got[`http_server_request_duration_seconds_count{http_request_method="GET",http_response_status_code="200",http_route="/status",url_scheme="http"}`])
	require.EqualValues(t, 3, got[`headgate_backlog{headgate_service="jobs"}`])
	require.EqualValues(t, 17, got["headgate_live_frames_total"])
}

// Where the process has CPU only during requests, counters are lines of the log, and a
// request exports the gauges. Between requests nothing is exported.
func TestWithoutBackgroundCPU(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	r := otlptest.New(t)
	defer r.Close()
	// An exporter in the background would export all the time.
	x := start(t, false, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": r.URL, "OTEL_METRIC_EXPORT_INTERVAL": "1", "OTEL_BSP_SCHEDULE_DELAY": "1"})
	defer func() { require.NoError(t, x.Close(t.Context())) }()
	var log bytes.Buffer
	x.o.Log = slog.New(slog.NewJSONHandler(&log, nil))
	read := 0
	x.Observe(func(_ context.Context, _ func(*meter.Metric) bool, set meter.Set) error {
		read++
		set(meter.BacklogAge, 7, "jobs")
		set(meter.Backlog, 0, "jobs")
		set(meter.Need, 2, "jobs", "a")
		return nil
	})
	_, span := x.Tracer().Start(t.Context(), trace.Internal, "one")
	span.End(nil)
	x.Meter().Add(meter.Messages, 1, "jobs", "complete")
	x.Meter().Add(meter.Events, 1, "jobs", "a", meter.EventStored)
	x.Meter().Took(meter.SyncRunDuration, 90*time.Second, "wells", "partial")
	require.Never(t, func() bool { return r.Exports() > 0 }, 100*time.Millisecond, 5*time.Millisecond, "an exporter would have had a hundred turns")
	require.Zero(t, read)

	require.NoError(t, x.Flush(t.Context()))
	require.EqualValues(t, 7, r.Value(t, "headgate.backlog.age", nil))
	require.EqualValues(t, 2, r.Value(t, "headgate.endpoint.need", nil))
	require.Nil(t, r.Metric("headgate.messages"), "one instance's count would be taken for all")
	spans, _ := r.Spans()
	require.Len(t, spans, 1)

	type line struct {
		Msg, Metric string
		Value       float64
		Labels      map[string]string
	}
	var lines []line
	for text := range strings.Lines(log.String()) {
		var l line
		require.NoError(t, json.Unmarshal([]byte(text), &l))
		lines = append(lines, l)
	}
	require.Equal(t, []line{
		{"measured", "headgate.messages", 1, map[string]string{"service": "jobs", "completion": "complete"}},
		{"measured", "headgate.sync.run.duration", 90, map[string]string{"sync": "wells", "state": "partial"}},
		{"measured", "headgate.backlog.age", 7, map[string]string{"service": "jobs"}},
	}, lines)
}

// Prometheus makes a request, so an instance without background CPU has counters for it.
func TestWithoutBackgroundCPUCountersCanBeScraped(t *testing.T) {
	x := start(t, false, map[string]string{"OTEL_METRICS_EXPORTER": "prometheus"})
	x.Meter().Add(meter.Messages, 1, "jobs", "complete")
	require.EqualValues(t, 1, prometheus(t, x)[`headgate_messages_total{headgate_completion="complete",headgate_service="jobs"}`])
	require.NoError(t, x.Close(t.Context()))
}

// Where a variable says so, nothing is measured, and no line written.
func TestMetricsCanBeTurnedOff(t *testing.T) {
	for name, value := range map[string]string{"OTEL_SDK_DISABLED": "true", "OTEL_METRICS_EXPORTER": "none"} {
		t.Run(name, func(t *testing.T) {
			require.Nil(t, start(t, false, map[string]string{name: value}).Meter())
		})
	}
}

// A thousand services with a hundred endpoints do not make a million series.
func TestSeriesAreBounded(t *testing.T) {
	x := start(t, true, map[string]string{"OTEL_METRICS_EXPORTER": "prometheus"})
	const services, endpoints = 1000, 100
	x.Observe(func(_ context.Context, _ func(*meter.Metric) bool, set meter.Set) error {
		for s := range services {
			for e := range endpoints {
				set(meter.Have, 1, "service-"+strconv.Itoa(s), "endpoint-"+strconv.Itoa(e))
			}
			set(meter.BacklogAge, float64(s), "service-"+strconv.Itoa(s))
			set(meter.BacklogAge, float64(s), "more-"+strconv.Itoa(s))
		}
		return nil
	})
	m := x.Meter()
	for s := range services {
		for e := range endpoints {
			m.Add(meter.Events, 1, "service-"+strconv.Itoa(s), "endpoint-"+strconv.Itoa(e), meter.EventStored)
		}
	}
	m.Add(meter.Events, 5, "service-999", "endpoint-99", meter.EventDuplicate)
	got := prometheus(t, x)
	count, sum := map[string]int{}, map[string]float64{}
	for series, v := range got {
		name, _, _ := strings.Cut(series, "{")
		count[name]++
		sum[name] += v
	}
	require.Equal(t, maxNames+2, count["headgate_events_total"], "the other ones are one series of each result")
	require.EqualValues(t, services*endpoints+5, sum["headgate_events_total"], "and all are counted")
	require.EqualValues(t, 5, got[`headgate_events_total{headgate_endpoint="other",headgate_result="duplicate",headgate_service="other"}`])
	require.Equal(t, maxNames+1, count["headgate_endpoint_have"])
	require.EqualValues(t, services*endpoints, sum["headgate_endpoint_have"])
	require.EqualValues(t, services-1, got[`headgate_backlog_age_seconds{headgate_service="other"}`], "the oldest")
	require.NoError(t, x.Close(t.Context()))
}
