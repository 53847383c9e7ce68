package mywell

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// An id that is made of two parts is that of one row only: it can be taken apart again.
func TestACompositeIsOfOneRow(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, parts := range [][2]any{{"313603", "1"}, {"313603", "1.5"}, {"3", "13603.1"}, {"3.1", "3603"}, {"3", "1.3603"}, {3.5, 1.0}, {"", "1"}, {"1", nil}} {
		id := composite(parts[0], parts[1])
		if id == "" {
			continue // refused
		}
		require.False(t, seen[id], "%v", parts)
		seen[id] = true
		postcode, _ := split(id)
		require.Equal(t, text(parts[0]), text(postcode), "%v", parts)
	}
	require.Len(t, seen, 4)
}
