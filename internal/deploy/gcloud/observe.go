package gcloud

import (
	"encoding/json"
	"strings"

	"github.com/headgate/headgate/internal/deploy"
	"github.com/headgate/headgate/internal/platform/shell"
)

type object = map[string]any

// observeFunctions make what is described by JSON on standard input.
const observeFunctions = `# metric NAME
metric() {
  cat >"$scratch/metric.json"
  if have gcloud logging metrics describe "$1"; then
    gcloud logging metrics update "$1" --config-from-file="$scratch/metric.json"
  else
    gcloud logging metrics create "$1" --config-from-file="$scratch/metric.json"
  fi
}

# dashboard ID. The etag says which one is replaced.
dashboard() {
  local etag
  cat >"$scratch/dashboard.json"
  if etag=$(gcloud monitoring dashboards describe "$1" --format='value(etag)' 2>/dev/null); then
    sed -i.bak "1s/{/{\"etag\": \"$etag\",/" "$scratch/dashboard.json"
    gcloud monitoring dashboards update "$1" --config-from-file="$scratch/dashboard.json"
  else
    gcloud monitoring dashboards create --config-from-file="$scratch/dashboard.json"
  fi
}

# alert TITLE. An update replaces the whole policy, so it repeats the channels that are told.
alert() {
  local policy channels=${NOTIFICATION_CHANNELS-}
  cat >"$scratch/alert.json"
  policy=$(gcloud alpha monitoring policies list --filter="displayName=\"$1\"" --format='value(name)')
  if [ -n "$policy" ]; then
    channels=${channels:-$(gcloud alpha monitoring policies list --filter="displayName=\"$1\"" --format='value(notificationChannels.list())')}
    gcloud alpha monitoring policies update "$policy" --policy-from-file="$scratch/alert.json" \
      ${channels:+"--set-notification-channels=$channels"}
  else
    gcloud alpha monitoring policies create --policy-from-file="$scratch/alert.json" \
      ${channels:+"--notification-channels=$channels"}
  fi
}
`

// observe makes the metrics of the log, the alerts that look at them, and the dashboard. gcloud
// has the commands for alerts in its component alpha only, so they come last.
func (s *script) observe() {
	s.section("Metrics of the log, the dashboard, and alerts. NOTIFICATION_CHANNELS, or Cloud Monitoring, says who is told")
	s.line("%s", observeFunctions)
	for _, m := range s.Metrics {
		s.document("metric "+m.Name, metric(m))
	}
	named := object{}
	if err := json.Unmarshal([]byte(s.Dashboard), &named); err != nil {
		panic(err) // the plan has written it
	}
	named["name"] = "projects/" + s.Project + "/dashboards/" + deploy.DashboardID
	s.document("dashboard "+deploy.DashboardID, named)
	for _, a := range s.Alerts {
		s.document("alert "+shell.Quote(a.Title), object{
			"displayName": a.Title, "combiner": "OR", "severity": a.Severity,
			"documentation": object{"content": a.Documentation, "mimeType": "text/markdown"},
			"conditions": []object{{"displayName": a.Title, "conditionPrometheusQueryLanguage": object{
				"query": a.Query, "duration": a.Duration, "evaluationInterval": "60s", "disableMetricValidation": true,
			}}},
		})
	}
}

// document writes a command that reads JSON.
func (s *script) document(command string, content object) {
	var out strings.Builder
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(content); err != nil {
		panic(err) // maps of texts, numbers and booleans always encode
	}
	s.line("%s <<'JSON'\n%sJSON", command, out.String())
}

// metric returns a metric as the API of Cloud Logging has it.
func metric(m deploy.LogMetric) object {
	descriptor := object{"metricKind": "DELTA", "valueType": "INT64"}
	out := object{"name": m.Name, "description": m.Help, "filter": m.Filter, "metricDescriptor": descriptor}
	if m.Unit != "" {
		descriptor["unit"] = m.Unit
	}
	if len(m.Bounds) > 0 {
		descriptor["valueType"] = "DISTRIBUTION"
		out["valueExtractor"] = "EXTRACT(jsonPayload.value)"
		out["bucketOptions"] = object{"explicitBuckets": object{"bounds": m.Bounds}}
	}
	if len(m.Labels) > 0 {
		var labels []object
		extractors := object{}
		for _, l := range m.Labels {
			labels = append(labels, object{"key": l, "valueType": "STRING"})
			extractors[l] = "EXTRACT(jsonPayload.labels." + l + ")"
		}
		descriptor["labels"], out["labelExtractors"] = labels, extractors
	}
	return out
}
