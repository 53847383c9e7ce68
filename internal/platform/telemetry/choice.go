package telemetry

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// Choice selects the signals to export. The zero value exports nothing.
type Choice struct{ Traces, Metrics signal }

// A signal is traces or metrics.
type signal struct {
	otlp       bool
	prometheus bool // of metrics only
	off        bool // a variable says that nothing is exported, the log included
	protocol   string
}

// The values of OTEL_EXPORTER_OTLP_PROTOCOL.
const (
	overHTTP = "http/protobuf"
	overGRPC = "grpc"
)

// FromEnv reads OpenTelemetry's variables that say whether, and by which exporter, something
// is exported. The exporters and the SDK read the others themselves. Unlike OpenTelemetry's
// default, nothing is exported to an address that no variable names.
func FromEnv(getenv func(string) string) (c Choice, err error) {
	if strings.EqualFold(getenv("OTEL_SDK_DISABLED"), "true") {
		return Choice{signal{off: true}, signal{off: true}}, nil
	}
	if c.Traces, err = signalFromEnv(getenv, "TRACES"); err != nil {
		return Choice{}, err
	}
	if c.Metrics, err = signalFromEnv(getenv, "METRICS", "prometheus"); err != nil {
		return Choice{}, err
	}
	return c, nil
}

func signalFromEnv(getenv func(string) string, name string, more ...string) (s signal, err error) {
	variable := "OTEL_" + name + "_EXPORTER"
	exporters := getenv(variable)
	if exporters == "" && (getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || getenv("OTEL_EXPORTER_OTLP_"+name+"_ENDPOINT") != "") {
		exporters = "otlp"
	}
	for exporter := range strings.SplitSeq(exporters, ",") {
		switch exporter = strings.TrimSpace(exporter); {
		case exporter == "" || exporter == "none":
		case exporter == "otlp":
			s.otlp = true
		case exporter == "prometheus" && len(more) > 0:
			s.prometheus = true
		default:
			return s, fmt.Errorf("%s: %q is not known: it must be %s or none", variable, exporter, strings.Join(append([]string{"otlp"}, more...), ", "))
		}
	}
	s.off = exporters == "none"
	if !s.otlp {
		return s, nil
	}
	variable = "OTEL_EXPORTER_OTLP_" + name + "_PROTOCOL"
	if getenv(variable) == "" {
		variable = "OTEL_EXPORTER_OTLP_PROTOCOL"
	}
	if s.protocol = cmp.Or(getenv(variable), overHTTP); s.protocol != overHTTP && s.protocol != overGRPC {
		return s, fmt.Errorf("%s: %q is not known: it must be %s or %s", variable, s.protocol, overHTTP, overGRPC)
	}
	return s, nil
}

func spanExporter(ctx context.Context, protocol string) (sdktrace.SpanExporter, error) {
	if protocol == overGRPC {
		return otlptracegrpc.New(ctx)
	}
	return otlptracehttp.New(ctx)
}

func metricExporter(ctx context.Context, protocol string) (sdkmetric.Exporter, error) {
	if protocol == overGRPC {
		return otlpmetricgrpc.New(ctx)
	}
	return otlpmetrichttp.New(ctx)
}
