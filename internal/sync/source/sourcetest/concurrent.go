package sourcetest

import (
	"errors"
	"io"
	"time"

	"github.com/stretchr/testify/require"
)

// concurrentTests change the source between two pages of a pull. Every row that exists
// from the beginning of the pull to its end must be in a page.
var concurrentTests = topic{
	"InsertedDuringAPull": func(f *fixture) {
		rows := f.put(10, 30)
		got, ok := f.pullWhile(4, func() {
			before, between, after := f.nth(1), f.nth(90), f.nth(99)
			between.UpdatedAt = rows[8].UpdatedAt.Add(time.Second)
			f.place.Put(f, before, between, after)
		})
		if ok {
			f.contains(got, rows...)
		}
	},
	"ChangedDuringAPull": func(f *fixture) {
		rows := f.put(0, 20)
		changed := map[string]bool{}
		got, ok := f.pullWhile(3, func() {
			for _, i := range []int{0, 1, 7, 12} {
				r := rows[i]
				r.Name, r.UpdatedAt = "changed", f.base.Add(time.Hour)
				f.place.Put(f, r)
				changed[r.ID] = true
			}
		})
		if !ok {
			return
		}
		have := got.byID()
		for _, r := range rows { // in the old or the new version
			require.Contains(f, have, r.ID)
			if !changed[r.ID] {
				require.Equal(f, plainRecord(r), plainRecord(have[r.ID]))
			}
		}
	},
	"RemovedDuringAPull": func(f *fixture) {
		if f.h.Positional {
			return
		}
		rows := f.put(0, 20)
		got, ok := f.pullWhile(4, func() {
			f.place.Remove(f, rows[0].ID, rows[1].ID, rows[2].ID, rows[3].ID, rows[9].ID)
		})
		if ok {
			f.contains(got, rows[4:9]...)
			f.contains(got, rows[10:]...)
		}
	},
}

// pullWhile pulls and calls do after the first page. A source that is a snapshot may fail
// then. pullWhile checks that a new pull returns all rows, and reports false.
func (f *fixture) pullWhile(size int, do func()) (pulled, bool) {
	f.Helper()
	s := f.open()
	p := f.request(size)
	r, err := s.Pull(f.ctx, p)
	require.NoError(f, err)
	var got pulled
	require.True(f, f.next(r, &got))
	do()
	for {
		page, err := r.Next(f.ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil && f.h.Snapshot {
			require.NoError(f, r.Close())
			f.sameMap(f.place.Rows(f), f.drain(s, p).byID())
			return got, false
		}
		require.NoError(f, err)
		f.checkPage(page, got.cursor)
		for _, row := range page.Rows {
			rec, err := f.h.Read(row)
			require.NoError(f, err)
			got.records = append(got.records, rec)
		}
		got.cursor = page.Cursor
	}
	require.NoError(f, r.Close())
	return got, true
}
