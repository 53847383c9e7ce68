package cost

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/headgate/headgate/internal/doctest"
)

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

	doctest.Part(t, "../..", "scale.md", "month", b.String())
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
