package contention

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/internal/doctest"
)

// TestDocs states that the table of the page is what the simulation gives.
func TestDocs(t *testing.T) {
	t.Parallel()
	doctest.Part(t, "../..", "scale.md", "contention", table())
}

// table has a row for each number of instances. Its figures are quotients of whole numbers,
// rounded, so they are the same on every machine.
func table() string {
	var b strings.Builder
	b.WriteString("\n| Instances | Events/s in messages | Events per message | Lost claims per message | Reads per event | Delay, p50 | p99 |\n|---:|---:|---:|---:|---:|---:|---:|\n")
	for _, n := range []int{1, 2, 5, 10, 20, 50} {
		o := plan(n, 1)
		o.Events = 50_000
		r := Run(o)
		messages, events := len(r.Messages), len(r.Delays)
		delay := func(part int) string { return r.Delays[events*part/100].Round(time.Millisecond).String() }
		fmt.Fprintf(&b, "| %d | %s | %d | %s | %s | %s | %s |\n", n, thousands(events*1000/int(r.Took.Milliseconds())), events/messages,
			tenths(r.Lost, messages), tenths(r.Reads, events), delay(50), delay(99))
	}
	return b.String() + "\n"
}

func tenths(a, b int) string {
	n := (20*a + b) / (2 * b)
	return fmt.Sprintf("%d.%d", n/10, n%10)
}

func thousands(n int) string {
	s := strconv.Itoa(n)
	if len(s) > 3 {
		s = s[:len(s)-3] + "," + s[len(s)-3:]
	}
	return s
}
