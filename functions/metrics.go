package functions

import (
	"net/http"

	"github.com/headgate/headgate/internal/app"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/web"
)

// prometheusType is the media type of Prometheus' text format.
const prometheusType = "text/plain; version=0.0.4; charset=utf-8"

// showMetrics shows all metrics as they are now, to Prometheus.
func showMetrics(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		t := a.Telemetry()
		if t == nil || !t.Scraped() {
			return fault.New(fault.NotFound, "metrics are not served: start with OTEL_METRICS_EXPORTER=prometheus")
		}
		w.Header().Set("Content-Type", prometheusType)
		w.Header().Set("Cache-Control", "no-store")
		return t.WritePrometheus(r.Context(), w)
	}
}
