package telemetry

import (
	"slices"
	"strings"
	"sync"

	"github.com/headgate/headgate/internal/platform/meter"
)

// names bounds the values of labels that are names. The first names of a metric keep their
// series for as long as the process runs.
type names struct {
	most int

	mu   sync.RWMutex
	seen map[*meter.Metric]map[string]struct{}
}

func newNames(most int) *names {
	return &names{most: most, seen: make(map[*meter.Metric]map[string]struct{})}
}

// bounded returns the values of the labels as they are exported. It may change values.
func (n *names) bounded(m *meter.Metric, values []string) []string {
	var key strings.Builder
	for i, l := range m.Labels {
		if isName(l) {
			key.WriteString(values[i] + "\x00")
		}
	}
	if key.Len() == 0 || n.has(m, key.String()) {
		return values
	}
	out := slices.Clone(values)
	for i, l := range m.Labels {
		if isName(l) && values[i] != "" {
			out[i] = meter.Other
		}
	}
	return out
}

// isName reports whether a label's values are names, of which there may be many.
func isName(l meter.Label) bool { return l.Values == nil && !l.Number }

// has reports whether the names have a series of the metric, or get one now.
func (n *names) has(m *meter.Metric, key string) bool {
	n.mu.RLock()
	_, known := n.seen[m][key]
	full := len(n.seen[m]) >= n.most
	n.mu.RUnlock()
	if known || full {
		return known
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.seen[m] == nil {
		n.seen[m] = make(map[string]struct{})
	}
	if _, known = n.seen[m][key]; !known && len(n.seen[m]) >= n.most {
		return false
	}
	n.seen[m][key] = struct{}{}
	return true
}
