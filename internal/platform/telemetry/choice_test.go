package telemetry

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFromEnv(t *testing.T) {
	t.Parallel()
	off := signal{off: true}
	web, rpc := signal{otlp: true, protocol: overHTTP}, signal{otlp: true, protocol: overGRPC}
	for name, c := range map[string]struct {
		env  map[string]string
		want Choice
		says string
	}{
		"nothing":                        {nil, Choice{}, ""},
		"an endpoint":                    {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, Choice{web, web}, ""},
		"an endpoint, and disabled":      {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_SDK_DISABLED": "TRUE"}, Choice{off, off}, ""},
		"an endpoint of traces":          {map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://x"}, Choice{Traces: web}, ""},
		"an endpoint, and no metrics":    {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_METRICS_EXPORTER": "none"}, Choice{Traces: web, Metrics: off}, ""},
		"the default endpoint":           {map[string]string{"OTEL_TRACES_EXPORTER": "otlp"}, Choice{Traces: web}, ""},
		"Prometheus":                     {map[string]string{"OTEL_METRICS_EXPORTER": "prometheus"}, Choice{Metrics: signal{prometheus: true}}, ""},
		"Prometheus and OTLP":            {map[string]string{"OTEL_METRICS_EXPORTER": "prometheus, otlp"}, Choice{Metrics: signal{otlp: true, prometheus: true, protocol: overHTTP}}, ""},
		"gRPC":                           {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, Choice{rpc, rpc}, ""},
		"gRPC of metrics":                {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "grpc"}, Choice{web, rpc}, ""},
		"traces have no Prometheus":      {map[string]string{"OTEL_TRACES_EXPORTER": "prometheus"}, Choice{}, `OTEL_TRACES_EXPORTER: "prometheus" is not known: it must be otlp or none`},
		"an exporter that there is not":  {map[string]string{"OTEL_METRICS_EXPORTER": "otlp,zipkin"}, Choice{}, `"zipkin" is not known: it must be otlp, prometheus or none`},
		"a protocol that there is not":   {map[string]string{"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}, Choice{}, "OTEL_EXPORTER_OTLP_PROTOCOL: "},
		"such a protocol, and it is off": {map[string]string{"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}, Choice{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := FromEnv(func(name string) string { return c.env[name] })
			if c.says != "" {
				require.ErrorContains(t, err, c.says)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}
