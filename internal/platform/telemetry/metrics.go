package telemetry

import (
	"context"
	"log/slog"
	"strconv"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/headgate/headgate/internal/platform/meter"
)

// maxNames is the most series of a metric by labels that have any value. It bounds what a
// process keeps and what it exports: beyond it, the labels are [meter.Other].
const maxNames = 1000

// Meter returns the meter of the use cases; nil if nothing takes their measurements.
func (t *Telemetry) Meter() *meter.Meter {
	if t == nil || t.pushed == nil && t.scraped == nil && !t.logs() {
		return nil
	}
	return meter.New(t)
}

// Observe sets the function that reads the gauges at each export. Until then they have no
// values.
func (t *Telemetry) Observe(g meter.Gauges) {
	if t != nil {
		t.gauges.Store(&g)
	}
}

// logs reports whether measurements are lines of the log.
func (t *Telemetry) logs() bool { return !t.o.BackgroundCPU && !t.o.Metrics.off }

// Record takes a measurement of a counter or a histogram.
func (t *Telemetry) Record(m *meter.Metric, value float64, values []string) {
	logged := m.Logged && t.logs()
	if !logged && !t.pushed.takes(m) && !t.scraped.takes(m) {
		return
	}
	values = t.names.bounded(m, values)
	for _, out := range []*output{t.pushed, t.scraped} {
		if out.takes(m) {
			out.record(m, value, values)
		}
	}
	if logged {
		t.log(m, value, values)
	}
}

// log writes a measurement as a line. Its fields are documented: log-based metrics are made
// of them.
func (t *Telemetry) log(m *meter.Metric, value float64, values []string) {
	labels := make([]any, 0, 2*len(values))
	for i, l := range m.Labels {
		labels = append(labels, l.Short(), values[i])
	}
	t.o.Log.Info("measured", "metric", m.Name, "value", value, slog.Group("labels", labels...))
}

// logGauges writes those gauges as lines that are logged and above zero.
func (t *Telemetry) logGauges(ctx context.Context) {
	logged := func(g *meter.Metric) bool { return g.Logged }
	t.read(ctx, logged, func(g *meter.Metric, value float64, values []string) {
		if logged(g) && value > 0 {
			t.log(g, value, values)
		}
	})
}

// read reads the gauges, and calls set once for each series. Series beyond the bound become
// one: the oldest of ages, and the sum of anything else. An error is logged and not returned:
// the SDK would export nothing then, and the other metrics are wanted most while a store fails.
func (t *Telemetry) read(ctx context.Context, want func(*meter.Metric) bool, set func(g *meter.Metric, value float64, values []string)) {
	gauges := t.gauges.Load()
	if gauges == nil {
		return
	}
	type series struct {
		metric *meter.Metric
		labels attribute.Distinct
	}
	type reading struct {
		value  float64
		values []string
	}
	var mu sync.Mutex // gauges are read side by side
	all := make(map[series]reading)
	err := (*gauges)(ctx, want, func(g *meter.Metric, value float64, values ...string) {
		values = t.names.bounded(g, values)
		labels := attributes(g, values)
		mu.Lock()
		defer mu.Unlock()
		at := series{g, labels.Equivalent()}
		one, ok := all[at]
		switch {
		case !ok:
			one = reading{value, values}
		case g.Unit == "s":
			one.value = max(one.value, value)
		default:
			one.value += value
		}
		all[at] = one
	})
	if err != nil && ctx.Err() == nil {
		t.o.Log.Warn("not every metric could be read", "error", err)
	}
	for at, one := range all {
		set(at.metric, one.value, one.values)
	}
}

// An output is one way out, with an instrument for each metric that it has.
type output struct {
	provider   *sdkmetric.MeterProvider
	reader     sdkmetric.Reader
	counters   map[*meter.Metric]metric.Int64Counter
	histograms map[*meter.Metric]metric.Float64Histogram
}

// newOutput returns an output with all metrics, or without counting only the gauges, which
// read reads.
func newOutput(reader sdkmetric.Reader, res *resource.Resource, counting bool, read func(context.Context, func(*meter.Metric) bool, func(*meter.Metric, float64, []string))) (*output, error) {
	// The bound of the SDK's own drops labels: ours is below it.
	out := &output{
		provider: sdkmetric.NewMeterProvider(sdkmetric.WithResource(res), sdkmetric.WithReader(reader), sdkmetric.WithCardinalityLimit(0)), reader: reader,
		counters: make(map[*meter.Metric]metric.Int64Counter), histograms: make(map[*meter.Metric]metric.Float64Histogram),
	}
	m := out.provider.Meter(scope)
	gauges := make(map[*meter.Metric]metric.Float64Observable)
	for _, one := range meter.List() {
		var err error
		switch {
		case one.Kind == meter.Gauge:
			gauges[one], err = m.Float64ObservableGauge(one.Name, metric.WithUnit(one.Unit), metric.WithDescription(one.Help))
		case one.Read && counting:
			gauges[one], err = m.Float64ObservableCounter(one.Name, metric.WithUnit(one.Unit), metric.WithDescription(one.Help))
		case !counting || one.Read:
		case one.Kind == meter.Counter:
			out.counters[one], err = m.Int64Counter(one.Name, metric.WithUnit(one.Unit), metric.WithDescription(one.Help))
		default:
			out.histograms[one], err = m.Float64Histogram(one.Name, metric.WithUnit(one.Unit), metric.WithDescription(one.Help), metric.WithExplicitBucketBoundaries(one.Buckets...))
		}
		if err != nil {
			return nil, err
		}
	}
	var observed []metric.Observable
	for _, g := range gauges {
		observed = append(observed, g)
	}
	_, err := m.RegisterCallback(func(ctx context.Context, o metric.Observer) error {
		read(ctx, func(*meter.Metric) bool { return true }, func(g *meter.Metric, value float64, values []string) {
			if instrument := gauges[g]; instrument != nil {
				o.ObserveFloat64(instrument, value, metric.WithAttributeSet(attributes(g, values)))
			}
		})
		return nil
	}, observed...)
	return out, err
}

// takes reports whether the output has an instrument for measurements of the metric. nil has
// none.
func (o *output) takes(m *meter.Metric) bool {
	return o != nil && (o.counters[m] != nil || o.histograms[m] != nil)
}

func (o *output) record(m *meter.Metric, value float64, values []string) {
	set := metric.WithAttributeSet(attributes(m, values))
	if c, ok := o.counters[m]; ok {
		c.Add(context.Background(), int64(value), set)
	} else if h, ok := o.histograms[m]; ok {
		h.Record(context.Background(), value, set)
	}
}

// attributes returns the labels of a series. One that is empty, such as the error type of
// what succeeded, is left out.
func attributes(m *meter.Metric, values []string) attribute.Set {
	all := make([]attribute.KeyValue, 0, len(values))
	for i, l := range m.Labels {
		if n, err := strconv.Atoi(values[i]); l.Number && err == nil {
			all = append(all, attribute.Int(l.Name, n))
		} else if values[i] != "" {
			all = append(all, attribute.String(l.Name, text(values[i])))
		}
	}
	return attribute.NewSet(all...)
}
