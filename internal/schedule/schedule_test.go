package schedule_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/headgate/headgate/internal/schedule"
)

func zone(t require.TestingT, name string) *time.Location {
	z, err := time.LoadLocation(name)
	require.NoError(t, err)
	return z
}

// Each case starts at a local time and lists the next due times as a wall clock shows them.
func TestNextWhenClocksChange(t *testing.T) {
	t.Parallel()
	const form = "2006-01-02 15:04 -0700"
	for _, c := range []struct {
		zone, expression, after string
		want                    []string
	}{
		{"Europe/Berlin", "30 2 * * *", "2026-03-28 03:00 +0100", []string{"2026-03-29 03:00 +0200", "2026-03-30 02:30 +0200"}},
		{"Europe/Berlin", "30 2 * * *", "2026-10-24 03:00 +0200", []string{"2026-10-25 02:30 +0200", "2026-10-26 02:30 +0100"}},
		{"Europe/Berlin", "0,30 2,3 * * *", "2026-03-29 00:00 +0100", []string{"2026-03-29 03:00 +0200", "2026-03-29 03:30 +0200", "2026-03-30 02:00 +0200"}},
		{"Europe/Berlin", "*/30 * * * *", "2026-03-29 01:00 +0100", []string{"2026-03-29 01:30 +0100", "2026-03-29 03:00 +0200", "2026-03-29 03:30 +0200"}},
		{"Europe/Berlin", "*/30 * * * *", "2026-10-25 02:00 +0200", []string{
			"2026-10-25 02:30 +0200", "2026-10-25 02:00 +0100", "2026-10-25 02:30 +0100", "2026-10-25 03:00 +0100",
		}},
		{"Europe/Berlin", "0 */2 * * *", "2026-03-28 22:00 +0100", []string{"2026-03-29 00:00 +0100", "2026-03-29 03:00 +0200", "2026-03-29 04:00 +0200"}},
		{"Europe/Berlin", "15 * * * *", "2026-03-29 01:15 +0100", []string{"2026-03-29 03:15 +0200", "2026-03-29 04:15 +0200"}},
		{"Asia/Beirut", "0 0 * * *", "2026-03-28 12:00 +0200", []string{"2026-03-29 01:00 +0300", "2026-03-30 00:00 +0300"}},
		{"Asia/Beirut", "30 23 * * *", "2026-10-24 12:00 +0300", []string{"2026-10-24 23:30 +0300", "2026-10-25 23:30 +0200"}},
		{"Africa/Cairo", "0 0 * * *", "2026-04-23 12:00 +0200", []string{"2026-04-24 01:00 +0300", "2026-04-25 00:00 +0300"}},
		{"Africa/Cairo", "0 0 24 4 *", "2026-01-01 00:00 +0200", []string{"2026-04-24 01:00 +0300", "2027-04-24 00:00 +0200"}},
		{"America/Havana", "0 0 * * *", "2026-03-07 12:00 -0500", []string{"2026-03-08 01:00 -0400", "2026-03-09 00:00 -0400"}},
		{"America/Havana", "30 0 * * *", "2026-10-31 12:00 -0400", []string{"2026-11-01 00:30 -0400", "2026-11-02 00:30 -0500"}},
		{"Australia/Lord_Howe", "15 2 * * *", "2026-10-03 12:00 +1030", []string{"2026-10-04 02:30 +1100", "2026-10-05 02:15 +1100"}},
		{"Australia/Lord_Howe", "0 * * * *", "2026-10-04 01:00 +1030", []string{"2026-10-04 02:30 +1100", "2026-10-04 03:00 +1100"}},
		{"Australia/Lord_Howe", "45 1 * * *", "2026-04-04 12:00 +1100", []string{"2026-04-05 01:45 +1100", "2026-04-06 01:45 +1030"}},
		{"Pacific/Apia", "0 12 * * *", "2011-12-29 13:00 -1000", []string{"2011-12-31 00:00 +1400", "2011-12-31 12:00 +1400"}},
		// From 2040 on, rules take the place of the zones' tables.
		{"Europe/Berlin", "0 6 * * *", "2040-12-30 06:00 +0100", []string{"2040-12-31 06:00 +0100", "2041-01-01 06:00 +0100"}},
		{"Australia/Lord_Howe", "*/30 * * * *", "2040-12-31 10:30 +1100", []string{"2040-12-31 11:00 +1100", "2040-12-31 11:30 +1100"}},
		{"America/New_York", "0 0 1 1 *", "2087-06-01 00:00 -0400", []string{"2088-01-01 00:00 -0500", "2089-01-01 00:00 -0500"}},
		{"UTC", "0 6 * * MON-FRI", "2026-11-27 06:00 +0000", []string{"2026-11-30 06:00 +0000"}},
		{"UTC", "0 0 29 2 *", "2026-01-01 00:00 +0000", []string{"2028-02-29 00:00 +0000", "2032-02-29 00:00 +0000"}},
		{"UTC", "0 0 29 2 *", "2096-03-01 00:00 +0000", []string{"2104-02-29 00:00 +0000"}},
		{"UTC", "0 0 13 * FRI", "2026-02-01 00:00 +0000", []string{"2026-02-06 00:00 +0000", "2026-02-13 00:00 +0000"}},
	} {
		t.Run(c.zone+" "+c.expression+" "+c.after, func(t *testing.T) {
			t.Parallel()
			s, err := schedule.Parse(c.expression, zone(t, c.zone))
			require.NoError(t, err)
			at, err := time.Parse(form, c.after)
			require.NoError(t, err)
			for _, want := range c.want {
				at = s.Next(at)
				require.Equal(t, want, at.Format(form))
				require.True(t, s.Latest(at).Equal(at))
			}
			for i := len(c.want) - 2; i >= 0; i-- {
				at = s.Latest(at.Add(-time.Nanosecond))
				require.Equal(t, c.want[i], at.Format(form))
			}
		})
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	for _, good := range []string{
		"* * * * *", "0 6 * * MON-FRI", "*/15 * * * ?", "5/20 0-23/2 1,15 jan,JUL sun", "0 0 30 2 MON", "0 0 31 2,3 *", "0 0 29 feb *",
	} {
		_, err := schedule.Parse(good, time.UTC)
		require.NoError(t, err, good)
	}
	for bad, want := range map[string]string{
		"0 0 30 2 *": "never comes", "0 0 31 4,6,9,11 *": "never comes", "0 0 30-31 2 ?": "never comes",
		"* * * *": "4 fields", "* * * * * *": "6 fields", "": "0 fields", "@daily": "1 fields",
		"60 * * * *": "minute", "* 24 * * *": "hour", "* * 0 * *": "day of the month", "* * * 13 *": "month", "* * * * 7": "day of the week",
		"5-1 * * * *": "before it begins", "*/0 * * * *": "not a step", "*/x * * * *": "not a step", "1,,2 * * * *": "minute", "1-2-3 * * * *": "minute",
		"-1 * * * *": "minute", "* * * * MOON": "day of the week",
	} {
		_, err := schedule.Parse(bad, time.UTC)
		require.ErrorContains(t, err, want, bad)
	}
}

// model computes the due times in another way: it steps from minute to minute and looks
// only at the time that a wall clock shows.
func model(e expression, zone *time.Location, from, to time.Time) (due []time.Time) {
	wall := func(at time.Time) time.Time {
		_, offset := at.In(zone).Zone()
		return at.Add(time.Duration(offset) * time.Second).UTC()
	}
	begin := from.Add(-4 * 24 * time.Hour)
	latest, last := wall(begin).Add(-time.Minute), wall(begin).Add(-time.Minute)
	type ghost struct {
		until  time.Time
		behind time.Duration
	}
	var ghosts []ghost // imaginary clocks that were not set forward
	for at := begin; !at.After(to); at = at.Add(time.Minute) {
		now := wall(at)
		hit := e.matches(now) && (e.interval || now.After(latest))
		if gap := now.Sub(last) - time.Minute; gap > 0 {
			ghosts = append(ghosts, ghost{at.Add(gap), gap})
			for skipped := last.Add(time.Minute); !e.interval && skipped.Before(now); skipped = skipped.Add(time.Minute) {
				hit = hit || e.matches(skipped)
			}
		}
		for _, g := range ghosts {
			hit = hit || e.interval && at.Before(g.until) && e.matches(now.Add(-g.behind))
		}
		if last = now; now.After(latest) {
			latest = now
		}
		if hit && at.After(from) {
			due = append(due, at)
		}
	}
	return due
}

// expression is a cron expression in a form that the model needs no parser for.
type expression struct {
	text         string
	minute, hour func(int) bool
	weekday      int // -1: any
	interval     bool
}

func (e expression) matches(t time.Time) bool {
	return e.minute(t.Minute()) && e.hour(t.Hour()) && (e.weekday < 0 || int(t.Weekday()) == e.weekday)
}

func drawExpression(t *rapid.T) expression {
	draw := func(name string, most int) (string, func(int) bool, bool) {
		switch rapid.IntRange(0, 2).Draw(t, name+" kind") {
		case 0:
			step := rapid.IntRange(1, most/2).Draw(t, name+" step")
			return fmt.Sprint("*/", step), func(n int) bool { return n%step == 0 }, true
		case 1:
			one := rapid.IntRange(0, most-1).Draw(t, name)
			return fmt.Sprint(one), func(n int) bool { return n == one }, false
		default:
			a := rapid.IntRange(0, most-1).Draw(t, name+" from")
			b := rapid.IntRange(a, most-1).Draw(t, name+" to")
			return fmt.Sprintf("%d-%d", a, b), func(n int) bool { return a <= n && n <= b }, false
		}
	}
	minute, isMinute, _ := draw("minute", 60)
	hour, isHour, star := draw("hour", 24)
	e := expression{minute: isMinute, hour: isHour, interval: star, weekday: rapid.IntRange(-1, 6).Draw(t, "weekday")}
	day := "*"
	if e.weekday >= 0 {
		day = fmt.Sprint(e.weekday)
	}
	e.text = minute + " " + hour + " * * " + day
	return e
}

func TestScheduleAgainstAModel(t *testing.T) {
	t.Parallel()
	// Most of these days have a change of clocks; some have none.
	around := []struct{ zone, at string }{
		{"Europe/Berlin", "2026-03-29"}, {"Europe/Berlin", "2026-10-25"}, {"Asia/Beirut", "2026-03-29"}, {"Asia/Beirut", "2026-10-25"},
		{"Africa/Cairo", "2026-04-24"}, {"Africa/Cairo", "2026-10-30"}, {"America/Havana", "2026-03-08"}, {"America/Havana", "2026-11-01"},
		{"Australia/Lord_Howe", "2026-10-04"}, {"Australia/Lord_Howe", "2026-04-05"}, {"Africa/Casablanca", "2026-02-15"},
		{"Pacific/Apia", "2011-12-30"}, {"Asia/Kathmandu", "2026-05-05"}, {"UTC", "2026-03-29"},
	}
	rapid.Check(t, func(t *rapid.T) {
		place := rapid.SampledFrom(around).Draw(t, "place")
		z := zone(t, place.zone)
		day, err := time.Parse(time.DateOnly, place.at)
		require.NoError(t, err)
		from := day.Add(-time.Duration(rapid.IntRange(0, 3*24*60).Draw(t, "minutes before")) * time.Minute)
		to := day.Add(3 * 24 * time.Hour)
		e := drawExpression(t)
		s, err := schedule.Parse(e.text, z)
		require.NoError(t, err)
		want := model(e, z, from, to)
		at, skipped := from, 0
		if most := 12; len(want) > most { // checking a few in a row is enough for one draw
			skipped = rapid.IntRange(0, len(want)-most).Draw(t, "skipped")
			if skipped > 0 {
				at = want[skipped-1]
			}
			want = want[skipped : skipped+most]
			to = want[most-1]
		}
		for i, w := range want {
			next := s.Next(at)
			require.True(t, next.Equal(w), "%s in %s: the %d. after %v is %v, not %v", e.text, place.zone, i+1, from, next, w.In(z))
			require.True(t, s.Latest(w).Equal(w))
			if i > 0 {
				require.True(t, s.Latest(w.Add(-1)).Equal(want[i-1]), "%s in %s: latest before %v", e.text, place.zone, w.In(z))
			}
			at = next
		}
		require.True(t, s.Next(at).After(to))
	})
}

func BenchmarkNext(b *testing.B) {
	s, err := schedule.Parse("0 0 29 2 *", zone(b, "Europe/Berlin"))
	require.NoError(b, err)
	at := time.Date(2096, 3, 1, 0, 0, 0, 0, time.UTC)
	for b.Loop() {
		s.Next(at)
	}
}
