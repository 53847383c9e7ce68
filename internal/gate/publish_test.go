package gate

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCutKeepsUTF8Whole(t *testing.T) {
	t.Parallel()
	require.Equal(t, "short", cut("short"))
	long := "x"
	for len(long) < 1100 {
		long += "é"
	}
	got := cut(long)
	require.LessOrEqual(t, len(got), maxAttribute)
	require.GreaterOrEqual(t, len(got), maxAttribute-1)
	require.Equal(t, long[:len(got)], got)
}
