package main

import (
	"fmt"
	"strings"
)

// table returns the rows as a table in Markdown.
func table(rows []kept) string {
	var b strings.Builder
	b.WriteString("| Measure | Got | Least–median–most | To reach | | Peak RSS |\n|---|---|---|---|---|---|\n")
	for _, k := range rows {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", k.Measure, cell(k.Got), k.spread(), k.ToReach, k.Result, resident(k.Peak))
	}
	return b.String()
}

// cell returns a text that fits into one cell of a table.
func cell(text string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "|", `\|`)
}

// spread returns the least, the median and the greatest figure.
func (k kept) spread() string {
	switch k.Runs {
	case 0:
		return "–"
	case 1:
		return "one run"
	}
	return figure(k.Least) + "–" + figure(k.Value) + "–" + figure(k.Most) + unit(k.Unit)
}

// resident returns a peak as the table shows it.
func resident(peak float64) string {
	if peak < 0 {
		return "–"
	}
	return fmt.Sprintf("%.0f MB", peak)
}
