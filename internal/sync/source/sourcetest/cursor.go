package sourcetest

import (
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/sync/source"
)

// cursorTests are for sources whose rows have the time of their last change.
var cursorTests = topic{
	"SecondPullReturnsOnlyNewer": func(f *fixture) {
		f.put(0, 30)
		first := f.pull(f.request(7))
		require.True(f, f.nth(29).UpdatedAt.Equal(first.cursor.Time), "the cursor is not the time of the latest change: %v", first.cursor.Time)

		newer := f.put(60, 70)
		p := f.request(3)
		p.Cursor = first.cursor
		second := f.pull(p)
		f.contains(second, newer...)
		for _, r := range second.records {
			require.False(f, r.UpdatedAt.Before(first.cursor.Time.Add(-overlap)), "%s is older than the overlap", r.ID)
		}
		require.True(f, newer[9].UpdatedAt.Equal(second.cursor.Time))
	},
	"NothingNew": func(f *fixture) {
		f.put(0, 5)
		first := f.pull(f.request(2))
		p := f.request(2)
		p.Overlap = 0
		for range 3 {
			p.Cursor = first.cursor
			again := f.pull(p)
			require.Equal(f, first.cursor.Time.UTC(), again.cursor.Time.UTC())
			for _, r := range again.records { // rows with the cursor's own time may be read again
				require.True(f, r.UpdatedAt.Equal(first.cursor.Time), "%s is not new", r.ID)
			}
			first.cursor = again.cursor
		}
	},
	"NoOverlapLosesNothing": func(f *fixture) {
		f.put(0, 5)
		p := f.request(2)
		p.Overlap = 0
		p.Cursor = f.pull(p).cursor
		newer := f.put(5, 12)
		f.contains(f.pull(p), newer...)
	},
	"ChangedRowIsPulledAgain": func(f *fixture) {
		rows := f.put(0, 10)
		first := f.pull(f.request(4))
		changed := rows[2]
		changed.Name, changed.UpdatedAt = "changed", f.base.Add(time.Hour)
		f.place.Put(f, changed)
		p := f.request(4)
		p.Cursor = first.cursor
		f.contains(f.pull(p), changed)
	},
	"LateCommitWithinTheOverlap": func(f *fixture) {
		f.put(0, 30)
		first := f.pull(f.request(4))
		late := f.nth(100)
		late.UpdatedAt = first.cursor.Time.Add(-overlap / 2)
		f.place.Put(f, late)
		for _, size := range []int{1, 3, 100} {
			p := f.request(size)
			p.Cursor = first.cursor
			f.contains(f.pull(p), late)
		}
	},
	"CursorStaysBehindTheClock": func(f *fixture) {
		now := f.h.Now().UTC().Truncate(time.Second)
		rows := f.put(0, 3)
		recent, future := f.nth(50), f.nth(51)
		recent.UpdatedAt, future.UpdatedAt = now, now.Add(time.Hour)
		f.place.Put(f, recent, future)

		first := f.pull(f.request(2)) // checks each page's cursor against the clock
		f.same(append(rows, recent, future), first)
		require.False(f, first.cursor.Time.Before(rows[2].UpdatedAt))

		p := f.request(2)
		p.Cursor, p.Overlap = first.cursor, 0
		f.contains(f.pull(p), recent, future)
	},
	"CursorNeverGoesBack": func(f *fixture) {
		f.put(0, 30)
		start := source.Cursor{Time: f.base.Add(20 * time.Minute), ID: f.h.ID(20)}
		p := f.request(1)
		p.Cursor = start
		got := f.pull(p) // checks each page's cursor against the one before
		f.contains(got, f.nth(21), f.nth(29))
		require.True(f, f.nth(29).UpdatedAt.Equal(got.cursor.Time))
	},
	"CursorOfEveryPageLosesNothing": func(f *fixture) {
		rows := f.put(0, 12)
		s := f.open()
		r, err := s.Pull(f.ctx, f.request(5))
		require.NoError(f, err)
		var got pulled
		for f.next(r, &got) {
			p := f.request(100)
			p.Cursor = got.cursor
			rest := f.pull(p)
			seen := got.byID()
			for _, row := range rest.records {
				seen[row.ID] = row
			}
			for _, row := range rows {
				if row.UpdatedAt.After(got.cursor.Time) {
					require.Contains(f, seen, row.ID)
				}
			}
		}
		require.NoError(f, r.Close())
	},
}
