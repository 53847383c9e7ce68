package functions_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// What the console exports is data to every spreadsheet: no cell is a formula, neither where
// commas separate cells nor where semicolons do. Numbers stay numbers.
func TestExportedCellsAreNoFormulas(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("node"); err != nil {
		require.Empty(t, os.Getenv("HEADGATE_REQUIRE_NODE"), "node is not installed")
		t.Skip("node is not installed")
	}
	cases := []struct {
		value any
		want  string
	}{
		{"plain", "plain"}, {nil, ""}, {12, "12"}, {-5, "-5"}, {"-5", "-5"}, {"+3.25", "+3.25"}, {"-3,5", `"-3,5"`},
		{"=1+1", "'=1+1"}, {"+cmd", "'+cmd"}, {"-1+1", "'-1+1"}, {"@SUM(A1)", "'@SUM(A1)"}, {"  =1", "'  =1"}, {"\t=1", "\"'\t'=1\""}, {"＝1", "'＝1"},
		{"a;=1", `"a;'=1"`}, {`a;"=1"`, `"a;'""=1"""`}, {"a\n=1", "\"a\n'=1\""}, {"a;b", `"a;b"`}, {"a=b", "a=b"}, {`say "x"`, `"say ""x"""`},
		{map[string]any{"n": ";=1"}, `"{""n"":"";'=1""}"`},
	}
	values := make([]any, len(cases))
	for i, c := range cases {
		values[i] = c.value
	}
	text, err := json.Marshal(values)
	require.NoError(t, err)
	script := filepath.Join(t.TempDir(), "cells.mjs")
	source, err := os.ReadFile("console/csv.js")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(script, append(source, "\nconsole.log(JSON.stringify("+string(text)+".map(cell)));\n"...), 0o600))
	out, err := exec.CommandContext(t.Context(), "node", script).CombinedOutput()
	require.NoError(t, err, string(out))
	var got []string
	require.NoError(t, json.Unmarshal(out, &got))
	for i, c := range cases {
		require.Equal(t, c.want, got[i], "%q", c.value)
	}
}
