// Package schedule finds the instants at which a cron expression is due, also on days on
// which a time zone changes its clocks.
//
// An expression has five fields: minute, hour, day of the month, month, day of the week.
// A field is *, ?, a number, a name (JAN, MON), a range, each perhaps with a /step, or a
// list of these. If both day fields are restricted, a date that matches either is due.
//
// The hour field alone decides what happens when the zone's clocks change, much as in
// Vixie cron:
//
//   - Hours that are named (0 6 * * *, 30 1-3 * * *) are times of a day. A time that does
//     not exist, because the clocks skip it, is due at the first instant after the gap. A
//     time that exists twice is due once, the first time. So a daily job runs exactly
//     once every day.
//   - Hours that begin with a star (*/15 * * * *, 0 */2 * * *) are an interval, which
//     continues as if the clocks had not changed. A time that exists twice is due twice.
//     A time that does not exist is due when an unchanged clock would show it. So the
//     pause between two runs never grows.
//
// If several times fall on the same instant, that instant is due once.
package schedule

import (
	"errors"
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // a small container image has no time zones of its own
)

// Schedule is an expression in a zone. It is immutable.
type Schedule struct {
	minute, hour, day, month, weekday field
	zone                              *time.Location
}

// Parse reads an expression of five fields. It refuses an expression that is never due,
// such as the 30th of February, because Next would search for it without end.
func Parse(expression string, zone *time.Location) (*Schedule, error) {
	texts := strings.Fields(expression)
	if len(texts) != len(fields) {
		return nil, fmt.Errorf("there are %d fields, and cron has 5: minute, hour, day of the month, month, day of the week", len(texts))
	}
	s := &Schedule{zone: zone}
	for i, into := range []*field{&s.minute, &s.hour, &s.day, &s.month, &s.weekday} {
		var err error
		if *into, err = fields[i].read(texts[i]); err != nil {
			return nil, err
		}
	}
	if !s.possible() {
		return nil, errors.New("it never comes: none of its months has such a day")
	}
	return s, nil
}

// possible reports whether at least one date matches.
func (s *Schedule) possible() bool {
	if s.day.every || !s.weekday.every {
		return true
	}
	longest := [...]int{0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}
	for month := 1; month <= 12; month++ {
		for day := 1; s.month.has(month) && day <= longest[month]; day++ {
			if s.day.has(day) {
				return true
			}
		}
	}
	return false
}

// on reports whether the schedule is due on the date, which is given as midnight in UTC.
func (s *Schedule) on(date time.Time) bool {
	if !s.month.has(int(date.Month())) {
		return false
	}
	day, weekday := s.day.has(date.Day()), s.weekday.has(int(date.Weekday()))
	if s.day.every || s.weekday.every {
		return day && weekday
	}
	return day || weekday
}

const (
	// daysAround is the number of days around an instant that are searched. A zone's clocks have
	// changed by at most one day: Samoa once skipped a whole date.
	daysAround = 2
	// mostDays is longer than the longest time between two 29ths of February, eight years.
	mostDays = 9 * 366
)

// Next returns the first instant after t at which the schedule is due.
func (s *Schedule) Next(t time.Time) time.Time {
	return s.nearest(t, 1, func(at, best time.Time) bool { return at.After(t) && (best.IsZero() || at.Before(best)) })
}

// Latest returns the last instant at or before t at which the schedule is due.
func (s *Schedule) Latest(t time.Time) time.Time {
	return s.nearest(t, -1, func(at, best time.Time) bool { return !at.After(t) && at.After(best) })
}

// nearest searches date by date in a direction and returns the best instant. It searches
// daysAround dates more after the first find: where a zone skips a whole day, a time of
// one date can lie after a time of the next date, so the first find may not be the best.
func (s *Schedule) nearest(t time.Time, direction int, better func(at, best time.Time) bool) (best time.Time) {
	y, m, d := t.In(s.zone).Date()
	date := time.Date(y, m, d-direction*daysAround, 0, 0, 0, 0, time.UTC)
	more := daysAround
	for range mostDays {
		if s.on(date) {
			s.due(date, func(at time.Time) {
				if better(at, best) {
					best = at
				}
			})
		}
		if !best.IsZero() {
			if more--; more < 0 {
				break
			}
		}
		date = date.AddDate(0, 0, direction)
	}
	return best
}

// due calls yield with every instant at which the schedule is due for the date.
func (s *Schedule) due(date time.Time, yield func(time.Time)) {
	periods := periodsOf(date, s.zone)
	for hour := range 24 {
		if !s.hour.has(hour) {
			continue
		}
		for minute := range 60 {
			if s.minute.has(minute) {
				s.instants(periods, date.Add(time.Duration(hour)*time.Hour+time.Duration(minute)*time.Minute), yield)
			}
		}
	}
}

// instants calls yield with every instant at which a local time is due. The local time is
// written as if it were UTC.
func (s *Schedule) instants(periods []period, local time.Time, yield func(time.Time)) {
	if !s.hour.star {
		yield(first(periods, local).In(s.zone))
		return
	}
	found := false
	for _, p := range periods {
		if at := p.reads(local); p.contains(at) {
			yield(at.In(s.zone))
			found = true
		}
	}
	if found {
		return
	}
	// No period contains the time, so the clocks skip it. Its gap is the change of clocks
	// where the earlier clock would show the time after the change and the later clock
	// before the change.
	for i, p := range periods[:len(periods)-1] {
		if at := p.reads(local); !at.Before(p.end) && periods[i+1].reads(local).Before(p.end) {
			yield(at.In(s.zone))
			return
		}
	}
}
