package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestFallenNamesWhatIsWorseByMoreThanTheTolerance covers both directions, figures that depend on
// the machine, and figures that are zero.
func TestFallenNamesWhatIsWorseByMoreThanTheTolerance(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		unit     string
		goal     goal
		was, got float64
		fell     bool
	}{
		{"more is better, less came", times, atLeast(0), 1, 0.84, true},
		{"more is better, within the tolerance", times, atLeast(0), 1, 0.86, false},
		{"more is better, more came", times, statedMore(), 1, 5, false},
		{"less is better, more came", kilobytes, atMost(0), 10, 11.8, true},
		{"less is better, within the tolerance", kilobytes, atMost(0), 10, 11.7, false},
		{"less is better, less came", operations, statedLess(), 10, 1, false},
		{"none were, some are", operations, atMost(0), 0, 1, true},
		{"none were, none are", operations, atMost(0), 0, 0, false},
		{"nothing is left of it", times, atLeast(0), 1, 0, true},
		{"a rate", "/s", atLeast(0), 1000, 10, false},
		{"a time", "ms", atMost(0), 10, 1000, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := fallen([]kept{{Measure: "m", Value: c.was, Unit: c.unit}}, []row{
				{measure: "m", value: c.got, unit: c.unit, goal: c.goal},
				{measure: "another", value: c.got, unit: c.unit, goal: c.goal},
			})
			if !c.fell {
				require.Empty(t, got)
				return
			}
			require.Len(t, got, 1)
			require.Contains(t, got[0], "m: ")
		})
	}
}

// TestWrittenFiguresAreReadBack states that a run replaces the rows that it measured and leaves
// the others, and that the two benches do not mix.
func TestWrittenFiguresAreReadBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "f.json")
	page := filepath.Join(dir, "performance.md")
	require.NoError(t, os.WriteFile(page, []byte("before\n<!-- bench -->\n<!-- /bench -->\nafter\n"), 0o600))
	c, err := readCommitted(file)
	require.NoError(t, err)
	c.put(false, true, fold(append(measured("a", atMost(1), 0.123456, 0.2, 0.3), measured("b", atLeast(1), 7)...)))
	c.put(true, true, fold(measured("a", atMost(1), 9)))
	c.put(false, false, fold(measured("a", atMost(1), 0.123456, 0.4, 5)))
	require.NoError(t, c.write(file, true, "a picture"))
	is, err := os.ReadFile(page)
	require.NoError(t, err)
	require.NotContains(t, string(is), "| a |", "the quick bench has no table")
	require.NoFileExists(t, filepath.Join(dir, "scale.svg"))

	require.NoError(t, c.write(file, false, "a picture"))
	c, err = readCommitted(file)
	require.NoError(t, err)
	require.Equal(t, []kept{
		{Measure: "a", Value: 0.4, Unit: times, Better: "less", Least: 0.1235, Most: 5, Runs: 3, Got: "0.40 in words", ToReach: "≤ 1×", Result: "reached", Peak: 5},
		{Measure: "b", Value: 7, Unit: times, Better: "more", Least: 7, Most: 7, Runs: 1, Got: "7.00 in words", ToReach: "≥ 1×", Result: "reached", Peak: 7},
	}, c.Rows)
	require.Len(t, c.Quick, 1)
	require.Equal(t, "9.00 in words", c.Quick[0].Got)
	is, err = os.ReadFile(page)
	require.NoError(t, err)
	require.Equal(t, "before\n<!-- bench -->\nMeasured with "+machine()+".\n\n"+table(c.Rows)+"\n<!-- /bench -->\nafter\n", string(is))
	picture, err := os.ReadFile(filepath.Join(dir, "scale.svg"))
	require.NoError(t, err)
	require.Equal(t, "a picture", string(picture))

	require.NoError(t, os.WriteFile(file, []byte("{"), 0o600))
	_, err = readCommitted(file)
	require.ErrorContains(t, err, file)
}

// TestWhatStaysOfAnEarlierRun states that only a run of all rows removes those that it does not
// have, and that the error of an earlier run never stays.
func TestWhatStaysOfAnEarlierRun(t *testing.T) {
	t.Parallel()
	broken := []row{{measure: "section x", failed: true, words: "no", peak: noProcess}}
	for _, whole := range []bool{false, true} {
		var c committed
		c.put(false, true, fold(append(measured("old", atMost(1), 1), broken...)))
		require.Equal(t, []string{"old", "section x"}, measures(c.Rows))
		require.Equal(t, kept{Measure: "section x", Better: "more", Got: "no", ToReach: "–", Result: failure, Peak: noProcess}, c.Rows[1])
		c.put(false, whole, fold(measured("new", atMost(1), 1)))
		want := []string{"old", "new"}
		if whole {
			want = want[1:]
		}
		require.Equal(t, want, measures(c.Rows))
	}
}

func measures(list []kept) (names []string) {
	for _, k := range list {
		names = append(names, k.Measure)
	}
	return names
}
