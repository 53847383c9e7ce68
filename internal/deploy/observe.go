package deploy

import (
	"encoding/json"
	"fmt"
	"strings"
)

// LogMetric is a metric that Cloud Logging makes of lines of the log. Cloud Run gives CPU only
// during requests, so a process there writes its measurements as lines.
type LogMetric struct {
	Name, Help, Unit string
	Labels           []string  // fields of the line's labels
	Bounds           []float64 // of the buckets; none: the metric counts lines
	Filter           string    // which lines
}

// Alert is a policy of Cloud Monitoring.
type Alert struct {
	Name, Title   string
	Query         string // PromQL: an incident is open while it has a result
	Duration      string // for how long it must have one
	Severity      string
	Documentation string
}

// A chart is a tile of the dashboard.
type chart struct{ title, query, unit string }

// DashboardID names the dashboard in the project.
const DashboardID = Name

// ours is the filter for lines of Headgate.
const ours = `resource.type="cloud_run_revision" AND resource.labels.service_name=~"^headgate(-[a-z]+)?$"`

// durations are the bounds of the buckets of durations and ages, and numbers those of counts.
var (
	durations = []float64{.1, .5, 1, 5, 10, 30, 60, 300, 600, 1800, 3600, 7200, 86400}
	numbers   = []float64{1, 10, 100, 1000, 10000, 100000, 1000000}
)

// measured are the lines "measured" of which metrics are made. A test compares them with the
// metrics of the program.
var measured = []struct {
	LogMetric
	sync bool // it is about syncs
}{
	{LogMetric: LogMetric{Name: "headgate.messages", Help: "Windows that were released, by the reason.", Labels: []string{"service", "completion"}, Bounds: numbers}},
	{LogMetric: LogMetric{Name: "headgate.events.expired", Help: "Events that left the window without a message.", Labels: []string{"service", "endpoint"}, Bounds: numbers}},
	{LogMetric: LogMetric{Name: "headgate.sweep.duration", Help: "Sweeps of a service.", Unit: "s", Labels: []string{"service", "result"}, Bounds: durations}},
	{LogMetric: LogMetric{Name: "headgate.backlog", Help: "Messages that a target does not have yet.", Labels: []string{"service"}, Bounds: numbers}},
	{LogMetric: LogMetric{Name: "headgate.backlog.age", Help: "The age of the oldest of these messages.", Unit: "s", Labels: []string{"service"}, Bounds: durations}},
	{LogMetric: LogMetric{Name: "headgate.webhook.deliveries.pending", Help: "Webhooks that a registered URL does not have yet.", Bounds: numbers}},
	{LogMetric: LogMetric{Name: "headgate.webhook.targets.paused", Help: "Registered URLs that failed for two days, and are not called any more.", Bounds: numbers}},
	{LogMetric: LogMetric{Name: "headgate.sync.rows", Help: "Rows that runs read or wrote, by what became of them.", Labels: []string{"sync", "direction", "result"}, Bounds: numbers}, sync: true},
	{LogMetric: LogMetric{Name: "headgate.sync.run.duration", Help: "Runs of syncs, from their start to their end.", Unit: "s", Labels: []string{"sync", "state"}, Bounds: durations}, sync: true},
}

// Missed are the lines of the log that tell of a deadline.
var Missed = []string{"a window closed before it was complete", "no complete message was published in time"}

const missed = "headgate.deadlines.missed"

// observe plans metrics, alerts and the dashboard for what the configuration has.
func (b *builder) observe() {
	gate := len(b.cfg.Services) > 0
	for _, m := range measured {
		if m.sync && !b.hasSyncs() {
			continue
		}
		m.Filter = fmt.Sprintf(`%s AND jsonPayload.message="measured" AND jsonPayload.metric=%q`, ours, m.Name)
		b.Metrics = append(b.Metrics, m.LogMetric)
	}
	b.Metrics = append(b.Metrics, LogMetric{
		Name: missed, Help: "Windows that closed incomplete, and instants without an expected message.",
		Filter: fmt.Sprintf(`%s AND jsonPayload.message=(%q OR %q)`, ours, Missed[0], Missed[1]),
	})
	const requests = `run_googleapis_com:request_count{monitored_resource="cloud_run_revision",service_name=~"headgate(-[a-z]+)?"%s}`
	all, failed := fmt.Sprintf(requests, ""), fmt.Sprintf(requests, `,response_code_class="5xx"`)
	if gate {
		b.Alerts = append(b.Alerts,
			Alert{"backlog-age", "Headgate: messages wait for a target", above(quantile("headgate.backlog.age"), 300), "300s", "CRITICAL",
				"A message has waited for its topic or another target for over five minutes. GET /messages?state=claimed shows lastError: the topic may be missing, or the role to publish to it."},
			Alert{"deadline-missed", "Headgate: a window closed incomplete, or a message was expected and did not come", above(total(missed, "", "10m"), 0), "0s", "WARNING",
				"The log has the service, the correlation key and what is missing. GET /windows shows the windows that are open now."},
			Alert{"sweep-silent", "Headgate: no sweep for ten minutes", "absent_over_time(" + metric("headgate.sweep.duration", "_count", "") + "[10m])", "0s", "CRITICAL",
				"Windows do not close while no request arrives, and what waits is not sent. The job headgate-sweep of Cloud Scheduler shows why its last call failed."},
			Alert{"events-expired", "Headgate: events left their window without a message", above(total("headgate.events.expired", "_sum", "10m"), 0), "0s", "WARNING",
				"The other endpoints did not report in time. The log has the endpoint; GET /status counts by endpoint."})
	}
	if b.hasSyncs() {
		b.Alerts = append(b.Alerts, Alert{"runs-failed", "Headgate: a run of a sync failed", above("sum(increase("+metric("headgate.sync.run.duration", "_count", `state="failed"`)+"[10m]))", 0), "0s", "WARNING",
			"GET /sync/ID/runs, or headgate sync runs ID, shows the error. Nothing is lost: the next run goes on from the last checkpoint."})
	}
	b.Alerts = append(b.Alerts, Alert{"errors", "Headgate: over 5 % of the requests fail with 5xx", above("sum(rate("+failed+"[5m])) / sum(rate("+all+"[5m]))", .05), "300s", "CRITICAL",
		"503 asks for another try: the store cannot be reached, or the memory is in use. The log has the cause; GET /readyz says whether the store takes writes."})
	b.Dashboard = dashboard(b.charts(all))
}

// charts are the tiles of the dashboard.
func (b *builder) charts(requests string) []chart {
	charts := []chart{
		{"Requests by response", "sum by (response_code_class) (rate(" + requests + "[5m]))", "1/s"},
		{"Latency of requests, 95 %", "histogram_quantile(0.95, sum by (le) (rate(" + strings.Replace(requests, "request_count", "request_latencies_bucket", 1) + "[5m])))", "ms"},
	}
	if len(b.cfg.Services) > 0 {
		charts = append(charts,
			chart{"Messages by completion", "sum by (service, completion) (increase(" + metric("headgate.messages", "_sum", "") + "[5m]))", ""},
			chart{"Messages that wait for a target", quantile("headgate.backlog"), ""},
			chart{"Age of the oldest of them", quantile("headgate.backlog.age"), "s"},
			chart{"Events that expired", "sum by (service, endpoint) (increase(" + metric("headgate.events.expired", "_sum", "") + "[5m]))", ""},
			chart{"Deadlines that were missed", total(missed, "", "5m"), ""},
			chart{"Sweeps by result", "sum by (service, result) (increase(" + metric("headgate.sweep.duration", "_count", "") + "[5m]))", ""})
	}
	if b.hasSyncs() {
		charts = append(charts,
			chart{"Runs of syncs by state", "sum by (sync, state) (increase(" + metric("headgate.sync.run.duration", "_count", "") + "[5m]))", ""},
			chart{"Rows by result", "sum by (sync, result) (increase(" + metric("headgate.sync.rows", "_sum", "") + "[5m]))", ""})
	}
	return append(charts,
		chart{"Webhooks that wait", quantile("headgate.webhook.deliveries.pending"), ""},
		chart{"URLs that are not called any more", quantile("headgate.webhook.targets.paused"), ""})
}

// metric returns the series of a metric made of lines, in PromQL. Cloud Monitoring replaces
// the dots in its name.
func metric(name, part, labels string) string {
	if labels != "" {
		labels = "," + labels
	}
	return "logging_googleapis_com:user_" + strings.ReplaceAll(name, ".", "_") + part + `{monitored_resource="cloud_run_revision"` + labels + "}"
}

// quantile returns what was measured in the last five minutes: nearly the highest value.
func quantile(name string) string {
	return "histogram_quantile(0.99, sum by (le) (increase(" + metric(name, "_bucket", "") + "[5m])))"
}

func total(name, part, period string) string {
	return "sum(increase(" + metric(name, part, "") + "[" + period + "]))"
}

func above(query string, limit float64) string { return fmt.Sprintf("%s > %v", query, limit) }

// dashboard returns the JSON of Cloud Monitoring for the charts, two in a row.
func dashboard(charts []chart) string {
	type object = map[string]any
	var tiles []object
	for i, c := range charts {
		query := object{"prometheusQuery": c.query}
		if c.unit != "" {
			query["unitOverride"] = c.unit
		}
		tiles = append(tiles, object{
			"xPos": i % 2 * 24, "yPos": i / 2 * 16, "width": 24, "height": 16,
			"widget": object{"title": c.title, "xyChart": object{
				"dataSets": []object{{"plotType": "LINE", "targetAxis": "Y1", "timeSeriesQuery": query}},
			}},
		})
	}
	var out strings.Builder
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(object{"displayName": "Headgate", "mosaicLayout": object{"columns": 48, "tiles": tiles}}); err != nil {
		panic(err) // maps of texts and numbers always encode
	}
	return out.String()
}
