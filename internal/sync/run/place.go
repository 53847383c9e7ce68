package run

import (
	"time"

	"github.com/headgate/headgate/internal/platform/clock"
	"github.com/headgate/headgate/internal/sync/source"
)

// A pull and a push go on where an earlier one ended, and that place is a time: what
// changed since has a later one. A clock that was ahead for a while breaks that. A run of
// those minutes ends at a time that is still to come, and what changes until then would
// be passed over; a clock that is set back does the same. One look at the clock does not
// tell, for a run that comes after that time sees nothing wrong.
//
// So each run goes on where the one before the last ended, and has the last one's share
// once more: what is known changes nothing. A clock would have to be wrong during two
// runs to mislead a third. And a place that is still to come is no place: everything is
// looked at.

// sourceAhead is how far a source's clock may be ahead of ours. Its cursors are of its
// own clock: a source that is a little ahead is not read whole each time.
const sourceAhead = time.Hour

// pullFrom is where the next pull begins.
func (t *typeState) pullFrom(now time.Time) source.Cursor {
	from := t.Cursor
	if before := t.CursorBefore; !before.Time.IsZero() && before.Time.Before(from.Time) {
		from = before
	}
	if from.Time.After(now.Add(sourceAhead)) {
		return source.Cursor{}
	}
	return from
}

// pulled notes where a pull ended.
func (t *typeState) pulled(to source.Cursor) { t.CursorBefore, t.Cursor = t.Cursor, to }

// pushFrom is where the next push begins in the records' order; 0: it looks at all.
func (t *typeState) pushFrom(now time.Time) int64 {
	from := t.Pushed
	if t.PushedBefore > 0 {
		from = min(from, t.PushedBefore)
	}
	if from <= 0 || from > now.Add(clock.Skew).UnixMicro() {
		return 0
	}
	return max(1, from-pushOverlap.Microseconds())
}

// pushed notes up to where a push looked at all.
func (t *typeState) pushed(to int64) { t.PushedBefore, t.Pushed = t.Pushed, to }
