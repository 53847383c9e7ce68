package exchange_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSend(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for i := range 7 {
		w.put(fmt.Sprint("r", i), map[string]any{"value": i})
	}
	require.NoError(t, w.ents.Delete(t.Context(), "acme", "item", "r3", ""))
	page := func(after string, skip, limit int) (ids []string, next string) {
		list, next, err := w.rows.Send(t.Context(), "s", "item", after, skip, limit)
		require.NoError(t, err)
		for _, e := range list {
			require.Equal(t, e.ID == "r3", e.Deleted, "a deleted record keeps its place")
			require.Equal(t, e.Deleted, e.Data == nil)
			ids = append(ids, e.ID)
		}
		return ids, next
	}
	ids, next := page("", 0, 3)
	require.Equal(t, []string{"r0", "r1", "r2"}, ids)
	ids, next = page(next, 0, 3)
	require.Equal(t, []string{"r3", "r4", "r5"}, ids)
	ids, next = page(next, 0, 3)
	require.Equal(t, []string{"r6"}, ids)
	require.Empty(t, next)
	ids, _ = page("", 5, 3)
	require.Equal(t, []string{"r5", "r6"}, ids)
}
