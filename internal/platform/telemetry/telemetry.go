// Package telemetry sends traces and metrics out of the process, by the OpenTelemetry SDK
// and its environment variables (docs/observe.md). Only this package knows the SDK: use
// cases measure through package meter, and record spans through package trace.
//
// Nothing is exported unless a variable asks for it. Then there is no exporter, no
// goroutine, and measurements cost nothing. A receiver that does not answer costs what is
// exported to it, and a line in the log; it never fails or delays a request.
//
// Where the process has CPU only during requests, nothing is exported between them:
// [Telemetry.Flush] exports, and a request has to call it.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/platform/meter"
	"github.com/headgate/headgate/internal/platform/trace"
)

// scope is the name of the instrumentation, which the SDK's tracers and meters have.
const scope = "github.com/headgate/headgate"

// Options configure a Telemetry.
type Options struct {
	Choice
	// BackgroundCPU says that the process has CPU between requests.
	BackgroundCPU bool
	Version       string
	Log           *slog.Logger
}

// Telemetry exports the traces and metrics of a process. nil exports nothing.
type Telemetry struct {
	o       Options
	traces  *sdktrace.TracerProvider // nil: none are exported
	pushed  *output                  // to a receiver of OTLP; nil: to none
	scraped *output                  // for Prometheus; nil: it reads nothing
	names   *names
	gauges  atomic.Pointer[meter.Gauges]
}

// Start makes the exporters that the choice names. It returns nil if it names none. No
// receiver need answer yet. Close ends what Start began.
func Start(ctx context.Context, o Options) (*Telemetry, error) {
	if !o.Traces.otlp && !o.Metrics.otlp && !o.Metrics.prometheus && (o.BackgroundCPU || o.Metrics.off) {
		return nil, nil
	}
	res, err := o.resource(ctx)
	if err != nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { o.Log.Warn("telemetry could not be exported", "error", err) }))
	t := &Telemetry{o: o, names: newNames(maxNames)}
	if err := t.startTraces(ctx, res); err != nil {
		return nil, fmt.Errorf("export traces: %w", err)
	}
	if err := t.startMetrics(ctx, res); err != nil {
		return nil, errors.Join(fmt.Errorf("export metrics: %w", err), t.Close(ctx))
	}
	return t, nil
}

// never is the interval of exports that only Flush makes.
const never = time.Duration(math.MaxInt64)

func (t *Telemetry) startTraces(ctx context.Context, res *resource.Resource) error {
	if !t.o.Traces.otlp {
		return nil
	}
	exporter, err := spanExporter(ctx, t.o.Traces.protocol)
	if err != nil {
		return err
	}
	var batch []sdktrace.BatchSpanProcessorOption
	if !t.o.BackgroundCPU { // Flush exports, and else only a full batch, which spans of requests fill
		batch = append(batch, sdktrace.WithBatchTimeout(never))
	}
	t.traces = sdktrace.NewTracerProvider(sdktrace.WithResource(res), sdktrace.WithBatcher(exporter, batch...))
	return nil
}

// startMetrics makes an output for each exporter. Where the process has CPU only during
// requests, an instance that is not called exports nothing. So no counters are pushed there:
// the log has them. Whoever scrapes an instance makes a request of it, and gets all.
func (t *Telemetry) startMetrics(ctx context.Context, res *resource.Resource) (err error) {
	if t.o.Metrics.otlp {
		exporter, err := metricExporter(ctx, t.o.Metrics.protocol)
		if err != nil {
			return err
		}
		var periodic []sdkmetric.PeriodicReaderOption
		if !t.o.BackgroundCPU {
			periodic = append(periodic, sdkmetric.WithInterval(never))
		}
		if t.pushed, err = newOutput(sdkmetric.NewPeriodicReader(exporter, periodic...), res, t.o.BackgroundCPU, t.read); err != nil {
			return err
		}
	}
	if t.o.Metrics.prometheus {
		t.scraped, err = newOutput(sdkmetric.NewManualReader(), res, true, t.read)
	}
	return err
}

// resource describes the process. The environment's attributes win. An instance has an id of
// its own, because the counters of several instances must not be taken for one that jumps.
func (o Options) resource(ctx context.Context) (*resource.Resource, error) {
	return resource.New(ctx, resource.WithAttributes(
		attribute.String("service.name", "headgate"),
		attribute.String("service.version", o.Version),
		attribute.String("service.instance.id", event.RandomID()),
	), resource.WithTelemetrySDK(), resource.WithFromEnv())
}

// Tracer returns the tracer for spans; nil if no traces are exported.
func (t *Telemetry) Tracer() *trace.Tracer {
	if t == nil || t.traces == nil {
		return nil
	}
	return trace.New(recorder{t.traces.Tracer(scope)})
}

// FlushSpans exports the spans that have ended. Where a process has CPU only during requests,
// a request that is traced calls it before it ends.
func (t *Telemetry) FlushSpans(ctx context.Context) error {
	if t == nil || t.traces == nil {
		return nil
	}
	return t.traces.ForceFlush(ctx)
}

// Flush exports the spans that have ended, and the metrics as they are now.
func (t *Telemetry) Flush(ctx context.Context) error {
	if t == nil {
		return nil
	}
	err := t.FlushSpans(ctx)
	if t.pushed != nil {
		err = errors.Join(err, t.pushed.provider.ForceFlush(ctx))
	}
	if t.logs() {
		t.logGauges(ctx)
	}
	return err
}

// Close exports what is left and ends the exporters. It is idempotent.
func (t *Telemetry) Close(ctx context.Context) error {
	if t == nil {
		return nil
	}
	var errs []error
	if t.traces != nil {
		errs = append(errs, t.traces.Shutdown(ctx))
	}
	for _, out := range []*output{t.pushed, t.scraped} {
		if out == nil {
			continue
		}
		if err := out.provider.Shutdown(ctx); !errors.Is(err, sdkmetric.ErrReaderShutdown) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
