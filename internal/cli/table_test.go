package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTableHasNoEmptyColumn(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	require.NoError(t, printTable(&b, []string{"a", "b", "c"}, [][]string{{"länger", "", ""}, {"x\ty", "", "z\n"}}))
	require.Equal(t, "a       c\nlänger  -\nx\\ty    z\\n\n", b.String())
}

func TestWhen(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	for want, away := range map[string]time.Duration{
		"now": 900 * time.Millisecond, "in 59s": 59 * time.Second, "12m ago": -12*time.Minute - time.Second,
		"in 3h05m": 3*time.Hour + 5*time.Minute, "2026-05-02 12:00Z": 24 * time.Hour,
	} {
		at := now.Add(away)
		require.Equal(t, want, when(now, &at))
	}
	require.Empty(t, when(now, nil))
}
