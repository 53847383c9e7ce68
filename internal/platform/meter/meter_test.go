package meter

import (
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A measurement costs nothing where nobody takes it. The test is not parallel: allocations
// are counted for the whole process.
func TestWithoutAMeterNothingIsAllocated(t *testing.T) {
	require.Zero(t, testing.AllocsPerRun(100, func() { unmetered(nil) }))
}

func BenchmarkWithoutAMeter(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		unmetered(nil)
	}
}

//go:noinline
func unmetered(m *Meter) {
	m.Add(Events, 1, "service", "endpoint", EventStored)
	m.Took(CheckDuration, time.Second, "service", Succeeded)
}

// The list follows the rules that its readers count on.
func TestList(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, m := range List() {
		require.Regexp(t, `^[a-z]+(\.[a-z]+)+$`, m.Name)
		require.False(t, names[m.Name], "%s is listed twice", m.Name)
		names[m.Name] = true
		require.Regexp(t, regexp.MustCompile(`^(s|\{[a-z]+\})$`), m.Unit, m.Name)
		require.NotEmpty(t, m.Help, m.Name)
		require.Equal(t, m.Kind == Histogram, m.Buckets != nil, m.Name)
		require.False(t, m.Read && m.Kind != Counter, m.Name)
		labels := map[string]bool{}
		for _, l := range m.Labels {
			require.Regexp(t, `^[a-z]+(\.[a-z_]+)+$`, l.Name)
			require.False(t, labels[l.Short()], "%s has the label %s twice", m.Name, l.Name)
			labels[l.Short()] = true
		}
	}
}
