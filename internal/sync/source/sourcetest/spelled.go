package sourcetest

import (
	"fmt"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/sync/source"
)

// spelledTests are for sources that compare Expect with the row before they write. A row that
// spells the expected values otherwise, by the mapping's reading of them, did not change.
var spelledTests = topic{
	"UpdateOfARowInAnotherSpelling": func(f *fixture) {
		s, was, theirs := f.spelled()
		if s == nil {
			return
		}
		ours := was
		ours.Name = "ours"
		c := f.update(was, ours)
		require.NoError(f, f.pushAs(s, c).Err)
		theirs.Name = "ours"
		require.Equal(f, plainRecord(theirs), plainRecord(f.onlyRow()))
		require.NoError(f, f.pushAs(s, c).Err, "the row has this change's own values")
	},
	"UpdateThatTheRowHasInAnotherSpelling": func(f *fixture) {
		s, was, _ := f.spelled()
		if s == nil {
			return
		}
		before, ours := was, was
		before.Name, ours.Name = "before", "SOMEWHERE"
		require.NoError(f, f.pushAs(s, f.update(before, ours)).Err)
		require.Equal(f, "SOMEWHERE", f.onlyRow().Name)
	},
	"DeleteOfARowInAnotherSpelling": func(f *fixture) {
		s, was, _ := f.spelled()
		if s == nil || f.h.NoDelete {
			return
		}
		require.NoError(f, f.pushAs(s, f.remove(was)).Err)
		f.gone(was.ID)
	},
	"AMovedRowIsNoOtherSpelling": func(f *fixture) {
		s, was, theirs := f.spelled()
		if s == nil {
			return
		}
		theirs.Name = "elsewhere"
		f.place.Put(f, theirs)
		ours := was
		ours.Name = "ours"
		require.ErrorIs(f, f.pushAs(s, f.update(was, ours)).Err, source.ErrMoved)
		if !f.h.NoDelete {
			require.ErrorIs(f, f.pushAs(s, f.remove(was)).Err, source.ErrMoved)
		}
		require.Equal(f, plainRecord(theirs), plainRecord(f.onlyRow()))
	},
}

// spelled makes a row whose name has other letters than both sides agreed on. It returns nil
// if the source does not compare.
func (f *fixture) spelled() (s source.Source, agreed, theirs Record) {
	f.Helper()
	if !f.h.Conditional {
		return nil, Record{}, Record{}
	}
	s = f.open()
	agreed = f.created(s, 1)
	agreed.Name = "somewhere"
	theirs = agreed
	theirs.Name = " SomeWhere "
	f.place.Put(f, theirs)
	return s, agreed, theirs
}

// pushAs pushes with a mapping that reads texts without regard to case and spaces.
func (f *fixture) pushAs(s source.Source, c source.Change) source.Result {
	f.Helper()
	spec := f.spec()
	spec.Same = func(_ string, a, b any) bool {
		x, isX := a.(string)
		y, isY := b.(string)
		if isX && isY {
			return strings.EqualFold(strings.TrimSpace(x), strings.TrimSpace(y))
		}
		_, isTime := b.(time.Time) // how a source spells a time is no matter of these tests
		return isTime || fmt.Sprint(a) == fmt.Sprint(b) || a == int64(0) && b == false
	}
	results, err := s.Push(f.ctx, spec, []source.Change{c})
	require.NoError(f, err)
	require.Len(f, results, 1)
	return results[0]
}
