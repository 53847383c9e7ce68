package sqliteguard

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSizes(t *testing.T) {
	t.Parallel()
	s := sizes{of: map[uintptr]int64{}, most: 100}
	require.True(t, s.grow(1, 60))
	require.True(t, s.grow(1, 10), "it has them")
	require.False(t, s.grow(2, 41), "all files together")
	require.True(t, s.grow(2, 40))
	s.cut(1, 20)
	require.True(t, s.grow(2, 80))
	s.cut(2, 0)
	s.cut(3, 0)
	require.Equal(t, int64(20), s.total)
	require.Len(t, s.of, 1)
	s.cut(1, 0)
	require.Zero(t, s.total)
}
