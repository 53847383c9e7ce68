package telemetry

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// Scraped reports whether Prometheus may read the metrics.
func (t *Telemetry) Scraped() bool { return t != nil && t.scraped != nil }

// WritePrometheus writes the metrics as they are now, in Prometheus' text format. Names are
// those that OpenTelemetry's rules make for Prometheus. What could not be read has no value;
// the log says why.
func (t *Telemetry) WritePrometheus(ctx context.Context, w io.Writer) error {
	var all metricdata.ResourceMetrics
	if err := t.scraped.reader.Collect(ctx, &all); err != nil {
		return err
	}
	b := bufio.NewWriter(w)
	_, _ = b.WriteString("# HELP target_info The resource that exports these metrics.\n# TYPE target_info gauge\n")
	line(b, "target_info", *all.Resource.Set(), "", "", "1")
	for _, s := range all.ScopeMetrics {
		slices.SortFunc(s.Metrics, func(a, b metricdata.Metrics) int { return strings.Compare(a.Name, b.Name) })
		for _, m := range s.Metrics {
			writeMetric(b, m)
		}
	}
	return b.Flush()
}

func writeMetric(b *bufio.Writer, m metricdata.Metrics) {
	name := prometheusName(m)
	head := func(kind string) {
		fmt.Fprintf(b, "# HELP %s %s\n# TYPE %s %s\n", name, strings.NewReplacer(`\`, `\\`, "\n", `\n`).Replace(m.Description), name, kind)
	}
	switch data := m.Data.(type) {
	case metricdata.Sum[int64]:
		head("counter")
		for _, p := range data.DataPoints {
			line(b, name, p.Attributes, "", "", strconv.FormatInt(p.Value, 10))
		}
	case metricdata.Sum[float64]:
		head("counter")
		for _, p := range data.DataPoints {
			line(b, name, p.Attributes, "", "", number(p.Value))
		}
	case metricdata.Gauge[float64]:
		head("gauge")
		for _, p := range data.DataPoints {
			line(b, name, p.Attributes, "", "", number(p.Value))
		}
	case metricdata.Histogram[float64]:
		head("histogram")
		for _, p := range data.DataPoints {
			sum := uint64(0)
			for i, n := range p.BucketCounts {
				bound := math.Inf(1)
				if i < len(p.Bounds) {
					bound = p.Bounds[i]
				}
				sum += n
				line(b, name+"_bucket", p.Attributes, "le", number(bound), strconv.FormatUint(sum, 10))
			}
			line(b, name+"_sum", p.Attributes, "", "", number(p.Sum))
			line(b, name+"_count", p.Attributes, "", "", strconv.FormatUint(p.Count, 10))
		}
	}
}

// line writes a sample with the labels and, unless it is "", one more.
func line(b *bufio.Writer, name string, labels attribute.Set, more, value, sample string) {
	_, _ = b.WriteString(name)
	separator := "{"
	add := func(label, value string) {
		_, _ = b.WriteString(separator + label + `="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(strings.ToValidUTF8(value, "\uFFFD")) + `"`)
		separator = ","
	}
	for i := labels.Iter(); i.Next(); {
		add(underscored(string(i.Attribute().Key)), i.Attribute().Value.String())
	}
	if more != "" {
		add(more, value)
	}
	if separator == "," {
		_, _ = b.WriteString("}")
	}
	_, _ = b.WriteString(" " + sample + "\n")
}

func number(v float64) string {
	switch {
	case math.IsInf(v, 1):
		return "+Inf"
	case math.IsInf(v, -1):
		return "-Inf"
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// prometheusName returns the metric's name with its unit, and with the ending of a counter.
func prometheusName(m metricdata.Metrics) string {
	name := underscored(m.Name)
	if m.Unit == "s" {
		name += "_seconds"
	}
	switch m.Data.(type) {
	case metricdata.Sum[int64], metricdata.Sum[float64]:
		name += "_total"
	}
	return name
}

// underscored replaces what the names of Prometheus may not have.
func underscored(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, name)
}
