package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func measured(measure string, g goal, values ...float64) (rows []row) {
	for _, v := range values {
		rows = append(rows, row{measure: measure, value: v, unit: times, goal: g, words: figure(v) + " in words", peak: v})
	}
	return rows
}

// TestRunsAreFoldedByTheMedian states that the table shows the run with the median figure, the
// spread of all, the highest peak, and the worse of two in the middle.
func TestRunsAreFoldedByTheMedian(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		goal   goal
		values []float64
		want   float64
		spread string
	}{
		{"three runs", atLeast(1), []float64{3, 1, 2}, 2, "1.00–2.00–3.00×"},
		{"two, and more is better", atLeast(1), []float64{2, 1}, 1, "1.00–1.00–2.00×"},
		{"two, and less is better", atMost(1), []float64{2, 1}, 2, "1.00–2.00–2.00×"},
		{"four, and less is better", statedLess(), []float64{4, 1, 3, 2}, 3, "1.00–3.00–4.00×"},
		{"one", atMost(1), []float64{0.5}, 0.5, "one run"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := fold(measured("m", c.goal, c.values...))
			require.Len(t, got, 1)
			require.InDelta(t, c.want, got[0].value, 0)
			require.Equal(t, figure(c.want)+" in words", got[0].words, "the words are of the same run as the figure")
			require.Equal(t, c.spread, keep(got)[0].spread())
			require.InDelta(t, got[0].high, got[0].peak, 0)
		})
	}
}

func TestFoldKeepsTheOrderOfMeasures(t *testing.T) {
	t.Parallel()
	run := append(measured("b", atMost(1), 1), measured("a", atMost(1), 2)...)
	var names []string
	for _, r := range fold(append(run, run...)) {
		names = append(names, r.measure)
		require.Equal(t, 2, r.runs)
	}
	require.Equal(t, []string{"b", "a"}, names)
}

// TestWhatElseMustHoldHoldsInEachRun states that a row misses its goal if, in any run, its further
// condition failed, whichever run has the median.
func TestWhatElseMustHoldHoldsInEachRun(t *testing.T) {
	t.Parallel()
	for broken := range 3 {
		rows := measured("m", atMost(10), 1, 2, 3)
		for i := range rows {
			rows[i].also, rows[i].held = "none lost", i != broken
		}
		require.Equal(t, "missed", fold(rows)[0].reached())
	}
}

func TestTableOfGoals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		row            row
		target, result string
	}{
		{row{value: 0.5, unit: times, goal: atLeast(0.5)}, "≥ 0.5×", "reached"},
		{row{value: 0.49, unit: times, goal: atLeast(0.5)}, "≥ 0.5×", "missed"},
		{row{value: 15, unit: "ms", goal: atMost(15)}, "≤ 15 ms", "reached"},
		{row{value: 15.1, unit: "ms", goal: atMost(15)}, "≤ 15 ms", "missed"},
		{row{value: 9, unit: "/s", goal: statedMore()}, "stated", ""},
		{row{value: 9, unit: "/s", goal: statedLess(), also: "none lost", held: true}, "stated, none lost", "reached"},
		{row{value: 9, unit: "/s", goal: statedLess(), also: "none lost"}, "stated, none lost", "missed"},
	} {
		require.Equal(t, c.target, c.row.target())
		require.Equal(t, c.result, c.row.reached(), c.target)
	}
	require.Equal(t, "| Measure | Got | Least–median–most | To reach | | Peak RSS |\n|---|---|---|---|---|---|\n"+
		"| m | 2ms | one run | ≤ 15 ms | reached | – |\n"+
		"| section x | a \\| b | – | – | failed | – |\n", table(keep(fold([]row{
		{measure: "m", value: 2, unit: "ms", goal: atMost(15), words: "2ms", peak: noProcess},
		{measure: "section x", failed: true, words: "a |\nb", peak: noProcess},
	}))))
}
