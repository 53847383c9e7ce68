package cli

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// A long value is cut, but not inside a character.
func TestShort(t *testing.T) {
	t.Parallel()
	require.Equal(t, "nothing", short(nil))
	require.Equal(t, `"`+strings.Repeat("a", 58)+`"`, short(strings.Repeat("a", 58)))
	require.Equal(t, `"`+strings.Repeat("a", 56)+"…", short(strings.Repeat("a", 59)))
	for n := range 4 {
		cut := short(strings.Repeat("x", n) + strings.Repeat("水", 40))
		require.True(t, utf8.ValidString(cut), cut)
		require.LessOrEqual(t, len(cut), 60)
	}
}
