package schedule

import "time"

// First returns the first instant at which the zone's clocks show a local time or a later
// one, in UTC. So a local time that the clocks skip is the first instant after the gap,
// and a time that they show twice is the first of both. A later local time never gives an
// earlier instant. The local time is written as if it were UTC.
func First(local time.Time, zone *time.Location) time.Time {
	y, m, d := local.Date()
	return first(periodsOf(time.Date(y, m, d, 0, 0, 0, 0, time.UTC), zone), local).UTC()
}

// Bounds returns a period around t in which the clocks of t's zone do not change; zero is
// unbounded. t is at or after begin, and before end. The clocks need not change at a bound.
//
// It differs from ZoneBounds on the last day of a leap year that is beyond the zone's table
// (from 2040 on). ZoneBounds takes each such year for 365 days, and returns an end that is
// not after t, so a walk from end to end would never get further.
func Bounds(t time.Time) (begin, end time.Time) {
	begin, end = t.ZoneBounds()
	if !end.IsZero() && !end.After(t) {
		const day = 24 * time.Hour
		end = t.Truncate(day).Add(day).In(t.Location()) // the end of the year in UTC
	}
	return begin, end
}

// period is a time during which the zone's clocks do not change.
type period struct {
	begin, end time.Time // zero: unbounded
	offset     time.Duration
}

// reads returns the instant at which the period's clocks show a local time. The instant
// may lie outside of the period.
func (p period) reads(local time.Time) time.Time { return local.Add(-p.offset) }

// contains reports whether the instant lies in the period.
func (p period) contains(at time.Time) bool {
	return !at.Before(p.begin) && (p.end.IsZero() || at.Before(p.end))
}

// periodsOf returns the periods in which a clock can show a time of the date, the earliest
// first. The date is given as midnight in UTC.
func periodsOf(date time.Time, zone *time.Location) (list []period) {
	const furthest = 26 * time.Hour // no zone is further from UTC
	for at := date.Add(-furthest); ; {
		local := at.In(zone)
		_, offset := local.Zone()
		p := period{offset: time.Duration(offset) * time.Second}
		p.begin, p.end = Bounds(local)
		list = append(list, p)
		if p.end.IsZero() || p.end.After(date.Add(24*time.Hour+furthest)) {
			return list
		}
		at = p.end
	}
}

// first returns the first instant at which the clocks show the local time or a later one.
func first(periods []period, local time.Time) time.Time {
	for _, p := range periods {
		at := p.reads(local)
		if p.contains(at) {
			return at
		}
		if at.Before(p.begin) { // the clocks skipped the time when this period began
			return p.begin
		}
	}
	last := periods[len(periods)-1] // not reached: the last period ends after every time of the date
	return last.reads(local)
}
