package sourcetest

import "github.com/stretchr/testify/require"

var badTests = topic{
	"ABadRowIsAReject": func(f *fixture) {
		bad, ok := f.place.(BadRows)
		if !ok {
			return
		}
		rows := f.put(0, 9)
		bad.PutBad(f)
		for _, size := range []int{1, 4, 20} {
			got := f.pull(f.request(size))
			f.same(rows, got)
			require.Len(f, got.rejects, 1)
			require.NotEmpty(f, got.rejects[0].Reason)
		}
	},
	"ARefusedChangeFailsAlone": func(f *fixture) {
		refuses, ok := f.place.(Refuses)
		if !ok || !f.h.Push {
			return
		}
		refused := refuses.Refused(f)
		for _, at := range []int{0, 1, 2} { // first, in the middle, last
			before, after := f.create(2*at), f.create(2*at+1)
			batch := insertChange(at, refused, before, after)
			results := f.push(f.open(), batch...)
			for i, r := range results {
				if i == at {
					require.Error(f, r.Err)
				} else {
					require.NoError(f, r.Err)
				}
			}
		}
		require.Len(f, f.place.Rows(f), 6)
	},
}
