package sqlsource

import (
	"context"
	"time"

	"github.com/headgate/headgate/internal/sync/source"
)

// clocks relates a cursor, which is an instant, to a column whose times name no zone. The
// rows are stamped by the clocks of the definition's zone, or else of the database's own.
//
// When clocks go back, rows get times that were there before. So a time is taken for the
// earliest instant that it can mean, and an instant for the earliest time that rows can get
// from then on: what is in doubt is read again. The database's own zone is known by its
// offsets around the pull only, because servers name their zones in ways of their own.
type clocks struct {
	zone     *time.Location // of the definition; nil: the database's own
	now      time.Duration  // the own zone's offset when the pull began
	min, max time.Duration  // of the own zone, since the cursor and for another day
}

// probes returns the instants at which the database is asked for its offset: often enough to
// notice that clocks went back, since the cursor or for a year.
func probes(now, cursor time.Time) []time.Time {
	const day = 24 * time.Hour
	at := []time.Time{now, now.Add(day)}
	for back := day; back <= 380*day; back += 20 * day {
		at = append(at, now.Add(-back))
		if now.Add(-back).Before(cursor.Add(-day)) {
			break
		}
	}
	return at
}

// askClocks fills in the reader's clocks.
func (r *reader) askClocks(ctx context.Context) error {
	r.clocks = clocks{zone: r.pull.CursorZone}
	if r.time == nil || r.time.kind != kindLocal || r.clocks.zone != nil {
		return nil
	}
	offsets, err := r.source.engine.offsets(ctx, probes(r.mark.Clock, r.pull.Cursor.Time))
	if err != nil {
		return r.source.failed(ctx, err, "the database's zone cannot be read")
	}
	r.clocks.now, r.clocks.min, r.clocks.max = offsets[0], offsets[0], offsets[0]
	for _, o := range offsets {
		r.clocks.min, r.clocks.max = min(r.clocks.min, o), max(r.clocks.max, o)
	}
	return nil
}

// instant returns the earliest instant that the time can mean.
func (c clocks) instant(t time.Time) time.Time {
	switch {
	case t.Location() != source.Zoneless:
		return t.UTC()
	case c.zone != nil:
		return source.InZone(t, c.zone)
	}
	return t.UTC().Add(-c.max)
}

// earliest returns the earliest time that rows can get from the instant on.
func (c clocks) earliest(at time.Time) time.Time {
	if c.zone != nil {
		return source.WithoutZone(source.EarliestClock(at, c.zone))
	}
	return source.WithoutZone(at.UTC().Add(c.min))
}

// changed returns the instant of a row's last change. It reports false if the row has none
// that can be read.
func (r *reader) changed(v any) (time.Time, bool) {
	v = r.time.number(v)
	if t, ok := v.(time.Time); ok {
		return r.clocks.instant(t), true
	}
	t, ok := source.Clock(v)
	if ok {
		return r.clocks.instant(t), true
	}
	if r.pull.ReadTime != nil { // a format of the definition
		return r.pull.ReadTime(v)
	}
	return time.Time{}, false
}

// follow moves the cursor to the time of a row. It reports false for a row that earlier pulls
// have read. The database leaves such rows out where its order is that of the times; in the
// pass timeless are times that it cannot order, but this process can read.
//
// A row whose time nobody can read stays behind no cursor, so every pull returns it.
func (r *reader) follow(v any) bool {
	at, ok := r.changed(v)
	if !ok {
		return true
	}
	if begin, _, since := r.begins(); since && r.mark.Pass == timeless && at.Before(begin) {
		return false
	}
	r.advance(at)
	return true
}

// Zone implements source.Zoned.
func (r *reader) Zone() *time.Location {
	if r.time == nil || r.time.kind != kindLocal || r.clocks.now == 0 {
		return nil
	}
	return time.FixedZone("", int(r.clocks.now/time.Second))
}

// begins returns the beginning of the pull as an instant and, for times that name no zone,
// as a time of the column. It reports false if the pull begins with the first row.
func (r *reader) begins() (at, clock time.Time, ok bool) {
	if r.time == nil || r.pull.Cursor.Time.IsZero() {
		return at, clock, false
	}
	at = r.pull.Cursor.Time.Add(-r.pull.Overlap).UTC()
	return at, r.clocks.earliest(at), true
}
