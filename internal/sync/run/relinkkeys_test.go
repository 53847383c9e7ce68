package run

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/budget"
)

// Not parallel: it measures the heap.
func TestKeysWeighNoMore(t *testing.T) {
	for _, c := range []struct{ rows, more int }{{1000, 0}, {30_000, 0}, {115_000, 0}, {130_000, 0}, {20_000, 300}} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			all := budget.New(1 << 40)
			hold := all.Hold()
			before := heapBytes()
			keys := newRowKeys(hold)
			for i := range c.rows {
				key := fmt.Sprint(i, strings.Repeat("x", c.more))
				if i%10 == 0 {
					keys.addNew(key + "-new")
				} else {
					keys.add(key, key+"-new")
				}
				keys.meet(key+"-new", "id-of-"+key)
			}
			weighs := heapBytes() - before
			require.NoError(t, keys.take(t.Context()))
			runtime.KeepAlive(keys)
			t.Logf("%d a row, %d counted", weighs/int64(c.rows), hold.Bytes()/int64(c.rows))
			require.LessOrEqual(t, weighs, hold.Bytes())
		})
	}
}

func heapBytes() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
