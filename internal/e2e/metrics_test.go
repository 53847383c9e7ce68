package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/meter"
)

// samples returns what Prometheus would read: the values by series, without the unit in the
// names of metrics.
func (p *process) samples(t *testing.T) samples {
	t.Helper()
	resp, body, err := p.call("GET", "/metrics", "")
	require.NoError(t, err)
	require.Equal(t, 200, resp.StatusCode, "%s", body)
	require.Equal(t, "text/plain; version=0.0.4; charset=utf-8", resp.Header.Get("Content-Type"))
	out := samples{}
	for line := range strings.Lines(string(body)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		at := strings.LastIndex(line, " ")
		v, err := strconv.ParseFloat(strings.TrimSpace(line[at+1:]), 64)
		require.NoError(t, err, line)
		out[line[:at]] = v
	}
	return out
}

type samples map[string]float64

// nameOf returns the name that a metric's values have for Prometheus; of a histogram, the
// name of the number of measurements.
func nameOf(m *meter.Metric) string {
	name := strings.ReplaceAll(m.Name, ".", "_")
	if m.Unit == "s" {
		name += "_seconds"
	}
	switch m.Kind {
	case meter.Counter:
		name += "_total"
	case meter.Histogram:
		name += "_count"
	}
	return name
}

// sum returns the sum of a metric's series that have all of the labels, which are written as
// in `name="value"`. ok is false if there is none.
func (s samples) sum(m *meter.Metric, labels ...string) (sum float64, ok bool) {
	name := nameOf(m)
series:
	for series, v := range s {
		if series != name && !strings.HasPrefix(series, name+"{") {
			continue
		}
		for _, l := range labels {
			if !strings.Contains(series, l) {
				continue series
			}
		}
		sum, ok = sum+v, true
	}
	return sum, ok
}

// metricsConfig has what measures every metric: a window that completes, one that expires, a
// hook, and a sync.
const metricsConfig = `{
	"services": [
		{"serviceName": "jobs", "trigger": {"type": "window", "observationPeriod": 3600}, "targetPubSub": {"topic": "projects/acme-jobs/topics/sync"},
			"endpoints": [{"eventKey": "a"}, {"eventKey": "b"}]},
		{"serviceName": "orders", "trigger": {"type": "window", "observationPeriod": 3600, "window": "anchored"}, "correlation": {"key": "event.query.order"}, "targetPubSub": {"topic": "projects/acme-jobs/topics/sync"},
			"endpoints": [{"eventKey": "paid", "distinct": "event.query.n"}, {"eventKey": "packed", "minNbOfOccurrence": 2}]}
	],
	"hooks": [{"name": "h", "verify": {"type": "none"}, "event": {"serviceName": "jobs", "eventKey": "a"}}]
}`

// Every metric of the list appears, with the value of what was done.
func TestMetrics(t *testing.T) {
	t.Parallel()
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("WebHook-Allowed-Origin", "*")
	}))
	t.Cleanup(target.Close)
	source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `[{"id":"1","n":"bad","at":"2026-01-01T00:00:00Z"}`)
		for n := range 5 {
			_, _ = fmt.Fprintf(w, `,{"id":"ok-%d","n":1,"at":"2026-01-01T00:00:00Z"}`, n)
		}
		_, _ = io.WriteString(w, "]")
	}))
	t.Cleanup(source.Close)
	p := start(t, options{env: []string{"CONFIG=" + metricsConfig, "OTEL_METRICS_EXPORTER=prometheus"}})
	do := func(want int, method, path, body string) []byte {
		t.Helper()
		resp, got, err := p.call(method, path, body)
		require.NoError(t, err)
		require.Equal(t, want, resp.StatusCode, "%s %s: %s", method, path, got)
		return got
	}
	do(200, "POST", "/register-for-webhook", `{"url":"`+target.URL+`","types":["dev.headgate.sync.v1"]}`)
	do(200, "POST", "/event/a", "one")
	do(200, "POST", "/event/b", "two")
	do(200, "POST", "/event/b", "three")
	do(200, "POST", "/hooks/h", "{}")
	do(200, "POST", "/services/orders/event/paid?order=1&n=1", "")
	do(200, "POST", "/services/orders/event/paid?order=1&n=1", "again")
	do(200, "POST", "/services/orders/event/packed?order=2", "")
	do(404, "POST", "/event/nobody", "")
	do(201, "POST", "/sync", `{"id":"wells","orgId":"o","type":"pull","datasource":{"type":"api","url":"`+source.URL+`/","selectedDatatypes":["item"],"options":{"list":"{type}","since":{"param":"since"}}},
		"mapping":{"item":{"key":["id"],"cursor":{"time":"at"},"fields":{"n":{"from":"n","type":"number"}}}}}`)
	do(200, "POST", "/sync/wells/run?wait=true", "")
	do(200, "POST", "/sweep", "")
	client := liveClient(t, p)
	defer client.Close()

	measured := map[*meter.Metric]map[string]float64{
		meter.HTTPDuration:      {`http_route="/event/{key...}",http_response_status_code="200"`: 6, `http_route="/event/{key...}",http_response_status_code="404"`: 1, `http_request_method="POST",http_route="/sweep"`: 1},
		meter.StoreDuration:     {`db_operation_name="Claim",db_system_name="sqlite"`: 2},
		meter.Events:            {`headgate_endpoint="a",headgate_result="stored",headgate_service="jobs"`: 2, `headgate_endpoint="b",headgate_result="stored"`: 2, `headgate_endpoint="paid",headgate_result="stored",headgate_service="orders"`: 2},
		meter.EventsSuperseded:  {`headgate_endpoint="paid",headgate_service="orders"`: 1},
		meter.IngestDuration:    {`headgate_service="jobs"`: 4, `headgate_result="success",headgate_service="orders"`: 3},
		meter.PublishDuration:   {`headgate_result="success",headgate_service="jobs"`: 2},
		meter.Messages:          {`headgate_completion="complete",headgate_service="jobs"`: 2},
		meter.SweepDuration:     {},
		meter.CheckDuration:     {},
		meter.WindowsOpen:       {`headgate_service="jobs"`: 0, `headgate_service="orders"`: 2},
		meter.WindowOldest:      {},
		meter.Have:              {`headgate_endpoint="paid",headgate_service="orders"`: 1, `headgate_endpoint="packed",headgate_service="orders"`: 1, `headgate_endpoint="a"`: 0},
		meter.Need:              {`headgate_endpoint="paid",headgate_service="orders"`: 1, `headgate_endpoint="packed",headgate_service="orders"`: 2},
		meter.Backlog:           {`headgate_service="jobs"`: 0},
		meter.BacklogAge:        {`headgate_service="jobs"`: 0},
		meter.SyncRows:          {`headgate_direction="pull",headgate_result="created",headgate_sync="wells"`: 5, `headgate_result="rejected"`: 1},
		meter.SyncRunDuration:   {`headgate_state="partial",headgate_sync="wells"`: 1},
		meter.SyncCursorLag:     {},
		meter.SyncRejects:       {`headgate_sync="wells"`: 1},
		meter.WebhooksReceived:  {`headgate_hook="h",headgate_result="accepted"`: 1},
		meter.DeliveryDuration:  {`headgate_result="success"`: 2},
		meter.DeliveriesPending: {"": 0},
		meter.TargetsPaused:     {"": 0},
		meter.LiveClients:       {"": 1},
		meter.LiveSubscriptions: {"": 1},
		meter.LiveDrops:         {"": 0},
		meter.LiveFrames:        {},
	}
	for _, m := range meter.List() {
		if m != meter.ClaimsLost && m != meter.EventsExpired && m != meter.Alerts { // they take another instance, and hours
			require.Contains(t, measured, m)
		}
	}
	for metric, values := range measured {
		eventually(t, metric.Name, func() error {
			got := p.samples(t)
			if sum, ok := got.sum(metric); !ok || sum == 0 && len(values) == 0 {
				return fmt.Errorf("%s is %v, %v", nameOf(metric), sum, ok)
			}
			for labels, want := range values {
				if v, ok := got.sum(metric, strings.Split(labels, ",")...); !ok || v != want {
					return fmt.Errorf("%s{%s} is %v and not %v (%v)", nameOf(metric), labels, v, want, ok)
				}
			}
			return nil
		})
	}
}

// Without the variable there is no page.
func TestMetricsAreOff(t *testing.T) {
	t.Parallel()
	p := start(t, options{})
	require.NoError(t, p.expect(404, "GET", "/metrics"))
}

// Without its topic, a message waits. Within ten seconds the metrics say so.
func TestMetricsTellOfAMissingTopic(t *testing.T) {
	t.Parallel()
	slow(t)
	env, pubsubHost, project := emulated(t)
	p := start(t, options{env: append(env, "OTEL_METRICS_EXPORTER=prometheus")})
	admin := dialPubSub(t, pubsubHost, project)
	require.NoError(t, admin.TopicAdminClient.DeleteTopic(t.Context(), &pubsubpb.DeleteTopicRequest{Topic: topicOf(project)}))
	p.event(t, "entry1", "one")
	p.event(t, "entry2", "two")
	eventually(t, "the metrics tell", func() error {
		got := p.samples(t)
		backlog, _ := got.sum(meter.Backlog)
		age, _ := got.sum(meter.BacklogAge)
		failed, _ := got.sum(meter.PublishDuration, `headgate_result="error"`)
		if backlog != 1 || age <= 0 || failed < 1 {
			return fmt.Errorf("backlog %v, age %v, failed publications %v", backlog, age, failed)
		}
		return nil
	})
}

// liveClient connects with one subscription, and returns once it was sent a frame.
func liveClient(t *testing.T, p *process) io.Closer {
	t.Helper()
	resp, err := http.Get(p.base + "/live?entity=items&id=1") //nolint:noctx // it ends with Close
	require.NoError(t, err)
	require.Equal(t, 200, resp.StatusCode)
	var b [1]byte
	_, err = resp.Body.Read(b[:])
	require.NoError(t, err)
	return resp.Body
}
