package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/headgate/headgate/internal/platform/printable"
)

// printTable prints rows in aligned columns. It leaves out a column that is empty in every
// row, so that a service shows what it has only.
func printTable(w io.Writer, columns []string, rows [][]string) error {
	used := make([]bool, len(columns))
	for _, row := range rows {
		for i, cell := range row {
			used[i] = used[i] || cell != ""
		}
	}
	var aligned strings.Builder
	t := tabwriter.NewWriter(&aligned, 0, 0, 2, ' ', 0)
	for _, row := range slices.Insert(slices.Clone(rows), 0, columns) {
		for i, cell := range row {
			if !used[i] {
				continue
			}
			if cell == "" {
				cell = "-"
			}
			fmt.Fprint(t, printable.Text(cell, ""), "\t")
		}
		fmt.Fprintln(t)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for line := range strings.Lines(aligned.String()) {
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " \n")); err != nil {
			return err
		}
	}
	return nil
}

// when says when at is, seen from now: "12m ago", "in 40s". A time that is more than a day
// away stands as it is. A missing time is "".
func when(now time.Time, at *time.Time) string {
	if at == nil || at.IsZero() {
		return ""
	}
	away := at.Sub(now)
	length := away.Abs()
	var text string
	switch {
	case length < time.Second:
		return "now"
	case length < time.Minute:
		text = fmt.Sprintf("%ds", length/time.Second)
	case length < time.Hour:
		text = fmt.Sprintf("%dm", length/time.Minute)
	case length < 24*time.Hour:
		text = fmt.Sprintf("%dh%02dm", length/time.Hour, length%time.Hour/time.Minute)
	default:
		return at.UTC().Format("2006-01-02 15:04Z")
	}
	if away > 0 {
		return "in " + text
	}
	return text + " ago"
}

// count says how many there are: "1 event", "3 events".
func count(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}
