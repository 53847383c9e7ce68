package gate

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/event"
)

func TestSplitTakesTheScarcestEndpointsWhole(t *testing.T) {
	t.Parallel()
	refs := func(prefix string, n int) []event.Ref {
		out := make([]event.Ref, n)
		for i := range out {
			out[n-1-i] = event.Ref{ID: fmt.Sprintf("%s%04d", prefix, i), ReceivedAt: time.Unix(int64(i), 0)}
		}
		return out
	}
	waiting := [][]event.Ref{refs("a", 50), refs("b", 2), refs("c", 10)}
	part, rest := split(waiting, 100)
	require.Equal(t, waiting, part)
	require.Nil(t, rest)

	seen := map[string]bool{}
	for rounds := 0; ; rounds++ {
		part, rest = split(waiting, 20)
		n := 0
		for _, p := range part {
			for _, ref := range p {
				require.False(t, seen[ref.ID])
				seen[ref.ID] = true
				n++
			}
		}
		require.LessOrEqual(t, n, 20)
		if rounds == 0 {
			require.Len(t, part[1], 2)
			require.Len(t, part[2], 10)
			require.Equal(t, "a0000", part[0][0].ID, "the oldest first")
		}
		if rest == nil {
			break
		}
		waiting = rest
	}
	require.Len(t, seen, 62)
}
