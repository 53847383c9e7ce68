package sourcetest

import (
	"fmt"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/sync/source"
)

// insertChange returns the changes rest with c inserted at an index.
func insertChange(at int, c source.Change, rest ...source.Change) []source.Change {
	out := append([]source.Change{}, rest[:at]...)
	out = append(out, c)
	return append(out, rest[at:]...)
}

var batchTests = topic{
	"NoChanges": func(f *fixture) {
		results, err := f.open().Push(f.ctx, f.spec(), nil)
		require.NoError(f, err)
		require.Empty(f, results)
	},
	"ResultsAreInOrder": func(f *fixture) {
		s := f.open()
		n := min(3*s.PushSize(), 50)
		var changes []source.Change
		for i := range n {
			changes = append(changes, f.create(i))
		}
		results := f.push(s, changes...)
		rows := f.place.Rows(f)
		require.Len(f, rows, n)
		for i, r := range results {
			require.NoError(f, r.Err)
			id := f.h.ID(i)
			if f.h.ChoosesKeys {
				require.NotEmpty(f, r.Key)
				id = fmt.Sprint(r.Key[0])
			}
			require.Equal(f, f.nth(i).Name, rows[id].Name)
		}
	},
	"AllOperationsInOneBatch": func(f *fixture) {
		if f.h.NoDelete {
			return
		}
		s := f.open()
		a, b := f.created(s, 1), f.created(s, 2)
		now := a
		now.Name = "changed"
		for _, r := range f.push(s, f.update(a, now), f.remove(b), f.create(3)) {
			require.NoError(f, r.Err)
		}
		rows := f.place.Rows(f)
		require.Equal(f, plainRecord(now), plainRecord(rows[a.ID]))
		f.gone(b.ID)
		alive := 0
		for _, r := range rows {
			if !r.Deleted {
				alive++
			}
		}
		require.Equal(f, 2, alive)
	},
	"PushAfterAPull": func(f *fixture) {
		rows := f.put(0, 3)
		s := f.open()
		f.same(rows, f.drain(s, f.request(2)))
		now := rows[1]
		now.Value = 77
		f.pushed(s, f.update(rows[1], now))
		rows[1] = now
		f.same(rows, f.drain(s, f.request(2)))
	},
}
