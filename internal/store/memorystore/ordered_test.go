package memorystore

import (
	"cmp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// An ordered set does what a sorted slice does.
func TestOrderedIsASortedSet(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		o := newOrdered(cmp.Compare[int])
		var want []int
		most := rapid.SampledFrom([]int{10, 3000}).Draw(t, "most")
		for range rapid.SampledFrom([]int{5, 100, 3000}).Draw(t, "changes") {
			v := rapid.IntRange(0, most).Draw(t, "value")
			at, there := slices.BinarySearch(want, v)
			if rapid.IntRange(0, 3).Draw(t, "do") == 0 {
				_, ok := o.remove(v)
				require.Equal(t, there, ok)
				if there {
					want = slices.Delete(want, at, at+1)
				}
				continue
			}
			if o.put(v); !there {
				want = slices.Insert(want, at, v)
			}
		}
		require.Equal(t, len(want), o.len())
		require.Equal(t, append([]int{}, want...), append([]int{}, slices.Collect(o.from(none[int]))...))
		from := rapid.IntRange(-1, most+1).Draw(t, "from")
		at, there := slices.BinarySearch(want, from)
		_, got := o.get(from)
		require.Equal(t, there, got)
		before := func(v int) bool { return v < from }
		require.Equal(t, append([]int{}, want[at:]...), append([]int{}, slices.Collect(o.from(before))...))
		down := slices.Clone(want[:at])
		slices.Reverse(down)
		require.Equal(t, append([]int{}, down...), append([]int{}, slices.Collect(o.down(before))...))
	})
}
