package sourcetest

import "github.com/stretchr/testify/require"

var emptyTests = topic{
	"EmptySource": func(f *fixture) {
		got := f.pull(f.request(10))
		require.Empty(f, got.records)
		require.Empty(f, got.rejects)
	},
	"FilledAfterAnEmptyPull": func(f *fixture) {
		first := f.pull(f.request(10))
		rows := f.put(0, 3)
		p := f.request(10)
		p.Cursor = first.cursor
		// The new rows have old times. They must be pulled all the same: a pull of an
		// empty source has no row from which a cursor could be taken.
		f.same(rows, f.pull(p))
	},
	"CloseTwice": func(f *fixture) {
		f.put(0, 3)
		s := f.place.Open(f)
		r, err := s.Pull(f.ctx, f.request(1))
		require.NoError(f, err)
		require.NoError(f, r.Close())
		require.NoError(f, r.Close())
		require.NoError(f, s.Close())
		require.NoError(f, s.Close())
	},
	"CloseInTheMiddle": func(f *fixture) {
		rows := f.put(0, 20)
		s := f.open()
		for range 20 { // more readers than a pool has connections
			r, err := s.Pull(f.ctx, f.request(2))
			require.NoError(f, err)
			_, err = r.Next(f.ctx)
			require.NoError(f, err)
			require.NoError(f, r.Close())
		}
		f.same(rows, f.drain(s, f.request(10)))
	},
}
