package sourcetest

import (
	"fmt"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/sync/source"
)

// movedTests are for sources that compare Expect with the row before they write.
var movedTests = topic{
	"UpdateOfAMovedRow": func(f *fixture) {
		if !f.h.Conditional {
			return
		}
		s := f.open()
		was := f.created(s, 1)
		theirs := was
		theirs.Name = "theirs"
		f.place.Put(f, theirs)
		ours := was
		ours.Name = "ours"
		require.ErrorIs(f, f.push(s, f.update(was, ours))[0].Err, source.ErrMoved)
		require.Equal(f, plainRecord(theirs), plainRecord(f.onlyRow()))
	},
	"DeleteOfAMovedRow": func(f *fixture) {
		if !f.h.Conditional {
			return
		}
		s := f.open()
		was := f.created(s, 1)
		theirs := was
		theirs.Value = 99
		f.place.Put(f, theirs)
		require.ErrorIs(f, f.push(s, f.remove(was))[0].Err, source.ErrMoved)
		require.Equal(f, plainRecord(theirs), plainRecord(f.onlyRow()))
	},
	"CreateOfARowThatExists": func(f *fixture) {
		if !f.h.Conditional || f.h.ChoosesKeys {
			return
		}
		theirs := f.nth(1)
		theirs.Name = "theirs"
		f.place.Put(f, theirs)
		result := f.push(f.open(), f.create(1))[0]
		require.ErrorIs(f, result.Err, source.ErrExists)
		if result.Key != nil {
			require.Equal(f, fmt.Sprint(f.h.Key(theirs.ID)), fmt.Sprint(result.Key))
		}
		require.Equal(f, plainRecord(theirs), plainRecord(f.onlyRow()))
	},
	"UpdateOfAVanishedRow": func(f *fixture) {
		if !f.h.Conditional {
			return
		}
		s := f.open()
		was := f.created(s, 1)
		f.place.Remove(f, was.ID)
		ours := was
		ours.Name = "ours"
		require.ErrorIs(f, f.push(s, f.update(was, ours))[0].Err, source.ErrMoved)
		require.Empty(f, f.place.Rows(f))
	},
	"MovedFailsAlone": func(f *fixture) {
		if !f.h.Conditional {
			return
		}
		s := f.open()
		a, b := f.created(s, 1), f.created(s, 2)
		theirs := a
		theirs.Name = "theirs"
		f.place.Put(f, theirs)
		oursA, oursB := a, b
		oursA.Name, oursB.Name = "ours", "ours"
		results := f.push(s, f.update(a, oursA), f.update(b, oursB))
		require.ErrorIs(f, results[0].Err, source.ErrMoved)
		require.NoError(f, results[1].Err)
		rows := f.place.Rows(f)
		require.Equal(f, "theirs", rows[a.ID].Name)
		require.Equal(f, "ours", rows[b.ID].Name)
	},
}
