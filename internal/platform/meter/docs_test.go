package meter

import (
	"fmt"
	"strings"
	"testing"

	"github.com/headgate/headgate/internal/doctest"
)

// The table in the documentation is that of the list.
func TestDocs(t *testing.T) {
	t.Parallel()
	doctest.Part(t, "../../..", "observe.md", "metrics", table())
}

func table() string {
	var b strings.Builder
	b.WriteString("\n| Metric | Unit | Kind | Labels | |\n|---|---|---|---|---|\n")
	for _, m := range List() {
		var labels []string
		for _, l := range m.Labels {
			text := "`" + l.Name + "`"
			if l.Values != nil {
				text += " (" + strings.Join(l.Values, ", ") + ")"
			}
			labels = append(labels, text)
		}
		kind := string(m.Kind)
		if m.Logged {
			kind += ", *log*"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", m.Name, m.Unit, kind, strings.Join(labels, ", "), m.Help)
	}
	return b.String() + "\n"
}
