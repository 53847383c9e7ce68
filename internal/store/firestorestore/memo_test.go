package firestorestore

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A memo builds for a name once, keeps names apart, and does not grow beyond its bound.
func TestMemo(t *testing.T) {
	t.Parallel()
	var m memo[int, int]
	built := 0
	get := func(name int) int { return m.get(name, func() int { built++; return 2 * name }) }
	for range 2 {
		for name := range memoMost {
			require.Equal(t, 2*name, get(name))
		}
	}
	require.Equal(t, memoMost, built)
	for range 2 {
		require.Equal(t, 2*memoMost, get(memoMost))
	}
	require.Equal(t, memoMost+2, built)
	require.Len(t, m.kept, memoMost)
}
