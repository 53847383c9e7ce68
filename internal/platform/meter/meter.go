// Package meter measures the program. It has the list of all metrics, and a Meter to which
// use cases add. Package telemetry exports the measurements, and use cases do not know it. A nil Meter measures nothing, and costs nothing.
package meter

import (
	"context"
	"slices"
	"strings"
	"time"
)

// A Kind says how the measurements of a metric become numbers.
type Kind string

// The kinds of metrics.
const (
	Counter   Kind = "counter"   // a sum that only grows
	Histogram Kind = "histogram" // how often values of each size were measured
	Gauge     Kind = "gauge"     // a value that is read when it is exported
)

// A Label distinguishes the series of a metric.
type Label struct {
	Name string
	// Values are all that there are. nil: the values are names of the configuration, or of
	// users. Those are bounded where they are exported: beyond the bound they are [Other].
	Values []string
	// Number says that the values are numbers, of which there are few.
	Number bool
}

// Other is the value of a label whose metric has too many series.
const Other = "other"

// Short returns the label's name in lines of the log.
func (l Label) Short() string { return strings.TrimPrefix(l.Name, "headgate.") }

// A Metric is an entry of the list.
type Metric struct {
	Name    string
	Unit    string // of UCUM: s, or {event} for a number of events
	Kind    Kind
	Help    string
	Labels  []Label
	Buckets []float64 // upper bounds of a histogram
	Read    bool      // of a counter: something else counts, and the sum is read as a gauge is
	// Logged metrics are lines of the log where the process has CPU only during requests: one
	// line for each measurement, and of a gauge for each export that finds more than zero.
	Logged bool
}

// A Recorder takes measurements. It may be called concurrently, and keeps no values.
type Recorder interface {
	Record(m *Metric, value float64, values []string)
}

// A Meter takes measurements for a Recorder. nil takes none.
type Meter struct{ to Recorder }

// New returns a Meter for the recorder.
func New(to Recorder) *Meter { return &Meter{to} }

// Add adds n to a counter. values are those of its labels, in order.
func (m *Meter) Add(c *Metric, n int, values ...string) {
	if m != nil && n > 0 {
		m.record(c, float64(n), values)
	}
}

// Took records a duration in a histogram.
func (m *Meter) Took(h *Metric, d time.Duration, values ...string) {
	if m != nil {
		m.record(h, d.Seconds(), values)
	}
}

// record passes on a clone of the values. Otherwise those of every caller would be allocated,
// also without a meter.
func (m *Meter) record(metric *Metric, value float64, values []string) {
	m.to.Record(metric, value, slices.Clone(values))
}

// Gauges reads the values of the gauges that are wanted, and calls set for each. What it could
// not read has no value until the next time; the error says why. It may call set from many
// goroutines.
type Gauges func(ctx context.Context, want func(g *Metric) bool, set Set) error

// Set takes the value of a gauge.
type Set func(g *Metric, value float64, values ...string)
