// Package calendar divides time into the intervals of tumbling windows: hours, days,
// weeks, months, or any number of seconds.
//
// The intervals of a rule tile time: each instant lies in exactly one of them, which is a
// function of the rule and the instant alone. So all instances of a service agree on an
// event's window.
//
//   - A day begins at a local time, midnight by default. A week begins with its Monday, as
//     in ISO 8601, a month with its first day, both at that local time.
//   - An hour begins whenever the clock shows a minute, 0 by default. So it lasts an hour
//     also on a day that repeats or skips one. Only where a zone's clocks change by a part
//     of an hour, one interval is shorter or longer.
//   - A number of seconds is counted from the Unix epoch, in UTC. With a local time or a
//     zone it is counted anew from the beginning of each day, and has to divide a day of
//     24 hours. On a day that is shorter or longer, the last interval is shorter, or a
//     short one follows it.
//
// A local time that a zone's clocks skip means the first instant after the gap. A local
// time that they show twice means the first of both. If two intervals would begin at the
// same instant, because the clocks skip a whole day, the earlier one does not exist.
package calendar

import (
	"time"

	"github.com/headgate/headgate/internal/schedule"
)

// unit says how long the intervals of a rule are.
type unit int

const (
	seconds unit = iota // of a fixed length, counted from the epoch
	shift               // of a fixed length, counted from the beginning of each day
	hour
	day
	week
	month
)

// Rule divides time into intervals. It is immutable. Parse returns one; the zero Rule is
// not valid.
type Rule struct {
	unit   unit
	length time.Duration // of seconds and shift
	at     time.Duration // from midnight, or from the beginning of the hour
	zone   *time.Location
}

// Interval returns the interval that contains an instant, in UTC. The interval contains
// its start and does not contain its end, which is the start of the next interval.
func (r Rule) Interval(t time.Time) (start, end time.Time) {
	switch r.unit {
	case seconds:
		start = time.Unix(t.Unix()-floorMod(t.Unix(), int64(r.length/time.Second)), 0).UTC()
		return start, start.Add(r.length)
	case hour:
		return r.latestHour(t), r.nextHour(t)
	case shift:
		begin, next := r.dated(t)
		passed := t.Sub(begin)
		start = begin.Add(passed - passed%r.length)
		if end = start.Add(r.length); end.After(next) {
			end = next
		}
		return start, end
	default:
		return r.dated(t)
	}
}

// dated returns the interval of an instant for units that begin on a date. The search
// begins with the date that the clocks show and rarely leaves it: at most where the clocks
// have just been set back, or where several dates begin at the same instant.
func (r Rule) dated(t time.Time) (start, end time.Time) {
	local := t.In(r.zone)
	y, m, d := local.Date()
	switch r.unit {
	case week:
		d -= (int(local.Weekday()) + 6) % 7 // days since Monday
	case month:
		d = 1
	}
	date := time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	for start = r.begin(date); start.After(t); start = r.begin(date) {
		date = r.step(date, -1)
	}
	for {
		date = r.step(date, 1)
		if end = r.begin(date); end.After(t) {
			return start, end
		}
		start = end
	}
}

// begin returns the instant at which the interval of a date begins.
func (r Rule) begin(date time.Time) time.Time { return schedule.First(date.Add(r.at), r.zone) }

// step returns the date on which another interval begins, n after that of the date.
func (r Rule) step(date time.Time, n int) time.Time {
	switch r.unit {
	case month:
		return date.AddDate(0, n, 0)
	case week:
		return date.AddDate(0, 0, 7*n)
	default:
		return date.AddDate(0, 0, n)
	}
}

// latestHour returns the last instant at or before t at which the clock shows the minute.
func (r Rule) latestHour(t time.Time) time.Time {
	for {
		local := t.In(r.zone)
		begin, _ := schedule.Bounds(local)
		at := t.Add(-r.since(local))
		if !at.Before(begin) {
			return at.UTC()
		}
		t = begin.Add(-1) // the clocks may have changed after they showed the minute
	}
}

// nextHour returns the first instant after t at which the clock shows the minute.
func (r Rule) nextHour(t time.Time) time.Time {
	for {
		local := t.In(r.zone)
		_, change := schedule.Bounds(local)
		at := t.Add(time.Hour - r.since(local))
		if change.IsZero() || at.Before(change) {
			return at.UTC()
		}
		if r.since(change.In(r.zone)) == 0 {
			return change.UTC()
		}
		t = change
	}
}

// since returns the time since an unchanged clock showed the minute of the rule.
func (r Rule) since(local time.Time) time.Duration {
	_, offset := local.Zone()
	second := floorMod(local.Unix()+int64(offset)-int64(r.at/time.Second), int64(time.Hour/time.Second))
	return time.Duration(second)*time.Second + time.Duration(local.Nanosecond())
}

// floorMod returns the remainder of a division that rounds down. It is never negative.
func floorMod(n, by int64) int64 { return ((n % by) + by) % by }
