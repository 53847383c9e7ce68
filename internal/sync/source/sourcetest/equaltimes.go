package sourcetest

import "time"

var equalTimeTests = topic{
	"EqualTimesAtPageEnds": func(f *fixture) {
		const n = 9
		var rows []Record
		for i := range n {
			r := f.nth(i)
			r.UpdatedAt = f.base
			rows = append(rows, r)
		}
		f.place.Put(f, rows...)
		for size := 1; size <= n; size++ {
			f.same(rows, f.pull(f.request(size)))
		}
	},
	"RunsOfEqualTimes": func(f *fixture) {
		var rows []Record
		for i := range 20 {
			r := f.nth(i)
			r.UpdatedAt = f.base.Add(time.Duration(i/6) * time.Hour)
			rows = append(rows, r)
		}
		f.place.Put(f, rows...)
		for _, size := range []int{1, 3, 5, 6, 7} {
			f.same(rows, f.pull(f.request(size)))
		}
	},
	"EqualTimesAtTheCursor": func(f *fixture) {
		var rows []Record
		for i := range 6 {
			r := f.nth(i)
			r.UpdatedAt = f.base
			rows = append(rows, r)
		}
		f.place.Put(f, rows[1], rows[3])
		first := f.pull(f.request(10))
		// The new rows have the same time. Their keys lie before, between and after
		// those of the rows that were read.
		f.place.Put(f, rows...)
		p := f.request(2)
		p.Cursor = first.cursor
		f.contains(f.pull(p), rows[0], rows[2], rows[4], rows[5])
	},
}
