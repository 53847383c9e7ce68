// Package metertest keeps measurements for tests.
package metertest

import (
	"strings"
	"sync"

	"github.com/headgate/headgate/internal/platform/meter"
)

// Recorder keeps the measurements that it takes.
type Recorder struct {
	mu  sync.Mutex
	all map[*meter.Metric][]measurement
}

type measurement struct {
	value  float64
	values string
}

// Record implements [meter.Recorder].
func (r *Recorder) Record(m *meter.Metric, value float64, values []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all == nil {
		r.all = make(map[*meter.Metric][]measurement)
	}
	r.all[m] = append(r.all[m], measurement{value, strings.Join(values, " ")})
}

// Set records a gauge: it is a [meter.Set].
func (r *Recorder) Set(m *meter.Metric, value float64, values ...string) { r.Record(m, value, values) }

// Sum returns the sum of what was measured with these labels, in order: of a histogram, the
// seconds.
func (r *Recorder) Sum(m *meter.Metric, values ...string) (sum float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, one := range r.all[m] {
		if one.values == strings.Join(values, " ") {
			sum += one.value
		}
	}
	return sum
}

// Times returns how often something was measured with these labels.
func (r *Recorder) Times(m *meter.Metric, values ...string) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, one := range r.all[m] {
		if one.values == strings.Join(values, " ") {
			n++
		}
	}
	return n
}
