package run

import (
	"time"

	"github.com/headgate/headgate/internal/platform/clock"
	"github.com/headgate/headgate/internal/sync/source"
)

// A pull and a push start where an earlier one ended. That place is a time: what changed
// since has a later one. A clock that is wrong for a while breaks this. If the clock is
// ahead during a run, the run ends at a time that is still to come, and what changes
// until then would be passed over; a clock that is set back has the same effect. The
// next run cannot tell: once that time has come, nothing looks wrong.
//
// So each run starts where the run before the last one ended, and reads the last one's
// share a second time; what is known changes nothing. A clock would have to be wrong
// during two runs to mislead a third. A place that is still to come is not used at all:
// such a run looks at everything.

// sourceAhead is the most by which a source's clock may be ahead of ours. Its cursors are times of
// its own clock, and a source that is a little ahead must not be read whole each time.
const sourceAhead = time.Hour

// pullFrom returns where the next pull begins.
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

// pushOverlap is looked at again by every push. The clocks of writers differ, and a write
// has a place in the order a moment before readers can see it there.
const pushOverlap = 5 * time.Minute

// pushFrom returns where the next push begins in the records' order; 0: it looks at
// every record.
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

// notePushed notes the place up to which a push looked at every record.
func (t *typeState) notePushed(to int64) { t.PushedBefore, t.Pushed = t.Pushed, to }
