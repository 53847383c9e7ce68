package terraform

import "github.com/headgate/headgate/internal/deploy"

// observe makes the metrics of the log, the alerts that look at them, and the dashboard.
func (m *module) observe() {
	needed := needs("monitoring")
	for _, x := range m.Metrics {
		metric := object{"name": x.Name, "description": x.Help, "filter": literal(x.Filter), "metric_descriptor": descriptor(x), "depends_on": needs("logging")}
		if len(x.Bounds) > 0 {
			metric["value_extractor"] = "EXTRACT(jsonPayload.value)"
			metric["bucket_options"] = object{"explicit_buckets": object{"bounds": x.Bounds}}
		}
		if len(x.Labels) > 0 {
			extractors := object{}
			for _, l := range x.Labels {
				extractors[l] = "EXTRACT(jsonPayload.labels." + l + ")"
			}
			metric["label_extractors"] = extractors
		}
		needed = append(needed, m.add("google_logging_metric", x.Name, metric))
	}
	m.variables["notification_channels"] = object{
		"type": "list(string)", "default": []string{}, "description": "Who is told of an alert: projects/PROJECT/notificationChannels/ID.",
	}
	for _, a := range m.Alerts {
		m.add("google_monitoring_alert_policy", a.Name, object{
			"display_name": a.Title, "combiner": "OR", "severity": a.Severity,
			"notification_channels": "${var.notification_channels}",
			"documentation":         object{"content": literal(a.Documentation), "mime_type": "text/markdown"},
			"conditions": object{"display_name": a.Title, "condition_prometheus_query_language": object{
				"query": literal(a.Query), "duration": a.Duration, "evaluation_interval": "60s", "disable_metric_validation": true,
			}},
			"depends_on": needed,
		})
	}
	m.add("google_monitoring_dashboard", deploy.DashboardID, object{"dashboard_json": literal(m.Dashboard), "depends_on": needed})
}

func descriptor(x deploy.LogMetric) object {
	d := object{"metric_kind": "DELTA", "value_type": "INT64"}
	if len(x.Bounds) > 0 {
		d["value_type"] = "DISTRIBUTION"
	}
	if x.Unit != "" {
		d["unit"] = x.Unit
	}
	var labels []object
	for _, l := range x.Labels {
		labels = append(labels, object{"key": l, "value_type": "STRING"})
	}
	if labels != nil {
		d["labels"] = labels
	}
	return d
}
