package sourcetest

import "github.com/stretchr/testify/require"

var pagingTests = topic{
	"EveryRowOnce": func(f *fixture) {
		const n = 7
		rows := f.put(0, n)
		for size := 1; size <= n+1; size++ {
			got := f.pull(f.request(size))
			f.same(rows, got)
			require.Len(f, got.records, n, "a row came twice although nothing changed, with pages of %d", size)
		}
	},
	"PagesAreBounded": func(f *fixture) {
		f.put(0, 50)
		got := f.pull(f.request(10))
		require.Len(f, got.records, 50)
		require.Greater(f, len(got.pages), 1, "the page size was not honoured at all")
	},
	"AnotherOrderOfKeysAndTimes": func(f *fixture) {
		const n = 12
		var rows []Record
		for i := range n {
			r := f.nth(i)
			r.UpdatedAt = f.base.Add(-r.UpdatedAt.Sub(f.base))
			rows = append(rows, r)
		}
		f.place.Put(f, rows...)
		for _, size := range []int{1, 5, n} {
			f.same(rows, f.pull(f.request(size)))
		}
	},
	"TwoPullsOfOneSource": func(f *fixture) {
		rows := f.put(0, 9)
		s := f.open()
		a, err := s.Pull(f.ctx, f.request(2))
		require.NoError(f, err)
		b, err := s.Pull(f.ctx, f.request(3))
		require.NoError(f, err)
		var fromA, fromB pulled
		for moreA, moreB := true, true; moreA || moreB; {
			moreA = moreA && f.next(a, &fromA)
			moreB = moreB && f.next(b, &fromB)
		}
		require.NoError(f, a.Close())
		require.NoError(f, b.Close())
		f.same(rows, fromA)
		f.same(rows, fromB)
	},
	"MarkedRowsArePulled": func(f *fixture) {
		if !f.h.SoftDelete {
			return
		}
		rows := f.put(0, 3)
		rows[1].Deleted = true
		f.place.Put(f, rows[1])
		f.same(rows, f.pull(f.request(2))) // the caller needs the row to see the mark
	},
}
