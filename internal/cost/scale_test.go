package cost

import (
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the table of costs in docs/scale.md")

// TestScaleDocs states that the month of docs/scale.md is what this package computes.
func TestScaleDocs(t *testing.T) {
	t.Parallel()
	load := Load{Events: 10_000 * 60 * minutes, PerMessage: 200, Bytes: 300, Millis: 0.2}
	lines := Month(service(t, "", ""), load, false)
	var b strings.Builder
	b.WriteString("\n| Item | Millions | | Dollars |\n|---|---:|---|---:|\n")
	for _, l := range lines {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", l.Item, whole(l.Quantity/1e6), l.Unit, whole(l.Dollars))
	}
	fmt.Fprintf(&b, "| **together** | | | **%s** |\n\n", whole(Sum(lines)))

	file := filepath.Join("..", "..", "docs", "scale.md")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	const begin, end = "<!-- month -->\n", "<!-- /month -->"
	before, rest, ok := strings.Cut(string(text), begin)
	require.True(t, ok)
	_, after, ok := strings.Cut(rest, end)
	require.True(t, ok)
	want := before + begin + b.String() + end + after
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(want), 0o600))
		return
	}
	require.Equal(t, want, string(text), "go test ./internal/cost -update writes the table")
}

// whole rounds to a whole number, and separates thousands.
func whole(n float64) string {
	if n > 0 && n < 1 {
		return "< 1"
	}
	digits := fmt.Sprintf("%.0f", math.Round(n))
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
