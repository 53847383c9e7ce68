package meter

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the table of metrics in docs/observe.md")

// The table in the documentation is that of the list.
func TestDocs(t *testing.T) {
	t.Parallel()
	file := filepath.Join("..", "..", "..", "docs", "observe.md")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	const begin, end = "<!-- metrics -->\n", "<!-- /metrics -->"
	before, rest, ok := strings.Cut(string(text), begin)
	require.True(t, ok)
	_, after, ok := strings.Cut(rest, end)
	require.True(t, ok)
	want := before + begin + table() + end + after
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(want), 0o600))
		return
	}
	require.Equal(t, want, string(text), "go test ./internal/platform/meter -update writes the table")
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
