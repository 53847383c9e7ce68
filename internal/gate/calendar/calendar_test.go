package calendar_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/headgate/headgate/internal/gate/calendar"
)

const form = "2006-01-02 15:04 -0700"

// Each case lists the beginnings of intervals that follow one another, as a wall clock
// shows them.
func TestIntervalsWhenClocksChange(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		every, at, zone string
		begins          []string
	}{
		{"day", "", "", []string{"2026-02-28 00:00 +0000", "2026-03-01 00:00 +0000"}},
		{"day", "06:00", "Europe/Berlin", []string{"2026-03-28 06:00 +0100", "2026-03-29 06:00 +0200", "2026-03-30 06:00 +0200"}},
		{"day", "02:30", "Europe/Berlin", []string{"2026-03-28 02:30 +0100", "2026-03-29 03:00 +0200", "2026-03-30 02:30 +0200"}},
		{"day", "02:30", "Europe/Berlin", []string{"2026-10-24 02:30 +0200", "2026-10-25 02:30 +0200", "2026-10-26 02:30 +0100"}},
		{"day", "02:00", "America/New_York", []string{"2026-03-07 02:00 -0500", "2026-03-08 03:00 -0400", "2026-03-09 02:00 -0400"}},
		{"day", "01:15", "America/New_York", []string{"2026-10-31 01:15 -0400", "2026-11-01 01:15 -0400", "2026-11-02 01:15 -0500"}},
		{"day", "02:15", "Australia/Lord_Howe", []string{"2026-10-03 02:15 +1030", "2026-10-04 02:30 +1100", "2026-10-05 02:15 +1100"}},
		{"day", "01:45", "Australia/Lord_Howe", []string{"2026-04-04 01:45 +1100", "2026-04-05 01:45 +1100", "2026-04-06 01:45 +1030"}},
		{"day", "", "Pacific/Apia", []string{"2011-12-29 00:00 -1000", "2011-12-31 00:00 +1400", "2012-01-01 00:00 +1400"}},
		{"day", "12:00", "Pacific/Apia", []string{"2011-12-29 12:00 -1000", "2011-12-31 00:00 +1400", "2011-12-31 12:00 +1400"}},
		{"day", "12:00", "Pacific/Kwajalein", []string{"1969-09-29 12:00 +1100", "1969-09-30 12:00 +1100", "1969-10-01 12:00 -1200"}},
		{"week", "", "Europe/Berlin", []string{"2026-03-23 00:00 +0100", "2026-03-30 00:00 +0200", "2026-04-06 00:00 +0200"}},
		{"week", "06:00", "America/New_York", []string{"2026-12-28 06:00 -0500", "2027-01-04 06:00 -0500"}},
		{"month", "06:00", "Europe/Berlin", []string{"2026-01-01 06:00 +0100", "2026-02-01 06:00 +0100", "2026-03-01 06:00 +0100", "2026-04-01 06:00 +0200"}},
		{"month", "", "Pacific/Apia", []string{"2011-12-01 00:00 -1000", "2012-01-01 00:00 +1400"}},
		{"hour", "", "Europe/Berlin", []string{"2026-03-29 01:00 +0100", "2026-03-29 03:00 +0200"}},
		{"hour", ":30", "Europe/Berlin", []string{"2026-03-29 01:30 +0100", "2026-03-29 03:30 +0200"}},
		{"hour", "00:30", "Europe/Berlin", []string{"2026-10-25 02:30 +0200", "2026-10-25 02:30 +0100", "2026-10-25 03:30 +0100"}},
		{"hour", "", "Australia/Lord_Howe", []string{"2026-10-04 01:00 +1030", "2026-10-04 03:00 +1100"}},
		{"hour", ":30", "Australia/Lord_Howe", []string{"2026-10-04 01:30 +1030", "2026-10-04 02:30 +1100", "2026-10-04 03:30 +1100"}},
		{"hour", ":45", "Australia/Lord_Howe", []string{"2026-04-05 01:45 +1100", "2026-04-05 01:45 +1030", "2026-04-05 02:45 +1030"}},
		{"hour", "", "Asia/Kathmandu", []string{"2026-01-01 00:00 +0545", "2026-01-01 01:00 +0545"}},
		{"28800", "06:00", "Europe/Berlin", []string{"2026-03-28 22:00 +0100", "2026-03-29 06:00 +0200", "2026-03-29 14:00 +0200", "2026-03-29 22:00 +0200"}},
		{"43200", "", "Europe/Berlin", []string{"2026-10-25 00:00 +0200", "2026-10-25 11:00 +0100", "2026-10-25 23:00 +0100", "2026-10-26 00:00 +0100"}},
		{"day", "06:00", "Europe/Berlin", []string{"2040-12-30 06:00 +0100", "2040-12-31 06:00 +0100", "2041-01-01 06:00 +0100"}},
		{"hour", ":30", "Australia/Lord_Howe", []string{"2040-12-31 10:30 +1100", "2040-12-31 11:30 +1100", "2040-12-31 12:30 +1100"}},
		{"604800", "", "", []string{"1970-01-01 00:00 +0000", "1970-01-08 00:00 +0000"}},
		{"600", "", "", []string{"1969-12-31 23:50 +0000", "1970-01-01 00:00 +0000"}},
	} {
		t.Run(fmt.Sprint(c.every, " ", c.at, " ", c.zone, " ", c.begins[0]), func(t *testing.T) {
			t.Parallel()
			r, z := rule(t, c.every, c.at, c.zone), zone(t, c.zone)
			for i, begin := range c.begins[:len(c.begins)-1] {
				at, err := time.Parse(form, begin)
				require.NoError(t, err)
				start, end := r.Interval(at)
				require.Equal(t, begin, start.In(z).Format(form))
				require.Equal(t, c.begins[i+1], end.In(z).Format(form))
				again, same := r.Interval(end.Add(-1))
				require.Equal(t, start, again)
				require.Equal(t, end, same)
			}
		})
	}
}

func rule(t require.TestingT, every, at, zone string) calendar.Rule {
	r, err := calendar.Parse(every, at, zone)
	require.NoError(t, err)
	return r
}

func zone(t require.TestingT, name string) *time.Location {
	z, err := time.LoadLocation(name)
	require.NoError(t, err)
	return z
}

// model finds the interval of t in another way: it walks from minute to minute, and an
// interval begins when the latest time that the clock has shown reaches another one.
func model(every string, length, at int, z *time.Location, t time.Time) (start, end time.Time) {
	label := func(shown time.Time) string {
		shown = shown.Add(-time.Duration(at) * time.Minute)
		switch every {
		case "week":
			y, w := shown.ISOWeek()
			return fmt.Sprint(y, w)
		case "month":
			return shown.Format("2006-01")
		}
		return shown.Format(time.DateOnly)
	}
	shown := func(at time.Time) time.Time {
		_, offset := at.In(z).Zone()
		return at.UTC().Add(time.Duration(offset) * time.Second)
	}
	days := map[string]int{"week": 9, "month": 33}[every] + 3
	now := t.Add(-time.Duration(days) * 24 * time.Hour).Truncate(time.Minute)
	latest, last, began := shown(now), label(shown(now)), now
	for end.IsZero() {
		now = now.Add(time.Minute)
		begins := false
		switch s := shown(now); {
		case every == "hour":
			begins = s.Minute() == at
		case s.After(latest):
			latest = s
			if begins = label(s) != last; begins {
				last, began = label(s), now
			}
		}
		if length > 0 && now.Sub(began)%(time.Duration(length)*time.Second) == 0 {
			begins = true
		}
		switch {
		case !begins:
		case now.After(t):
			end = now
		default:
			start = now
		}
	}
	return start.UTC(), end.UTC()
}

func TestIntervalAgainstAModel(t *testing.T) {
	t.Parallel()
	zones := []string{
		"UTC", "Europe/Berlin", "Europe/London", "America/New_York", "America/Havana", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia",
		"Pacific/Kwajalein", "Africa/Casablanca", "Africa/Cairo", "Asia/Beirut", "Asia/Kathmandu", "Asia/Pyongyang", "Antarctica/Troll", "Asia/Gaza",
	}
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom(zones).Draw(t, "zone")
		z := zone(t, name)
		at := time.Unix(rapid.Int64Range(100e6, 2100e6).Draw(t, "second"), rapid.Int64Range(0, 999999999).Draw(t, "nanosecond"))
		if _, change := at.In(z).ZoneBounds(); !change.IsZero() && rapid.Bool().Draw(t, "near a change") {
			at = change.Add(time.Duration(rapid.Int64Range(-60*3600e9, 60*3600e9).Draw(t, "after the change")))
		}
		every := rapid.SampledFrom([]string{"hour", "day", "week", "month", "300", "3600", "28800", "86400"}).Draw(t, "every")
		minutes := rapid.IntRange(0, 24*60-1).Draw(t, "at")
		length := 0
		_, _ = fmt.Sscan(every, &length)
		if every == "hour" {
			minutes %= 60
		}
		r := rule(t, every, fmt.Sprintf("%02d:%02d", minutes/60, minutes%60), name)
		start, end := r.Interval(at)
		wantStart, wantEnd := model(every, length, minutes, z, at)
		require.Equal(t, wantStart, start, "start of %s at %d in %s for %v", every, minutes, name, at.In(z))
		require.Equal(t, wantEnd, end, "end of %s at %d in %s for %v", every, minutes, name, at.In(z))
	})
}

func TestIntervalsTileTime(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom([]string{"", "Europe/Berlin", "Pacific/Apia", "Pacific/Kwajalein", "America/Juneau", "Asia/Manila", "Africa/Monrovia", "Europe/Dublin"}).Draw(t, "zone")
		at := time.Unix(rapid.Int64Range(-5e9, 9e9).Draw(t, "second"), rapid.Int64Range(0, 999999999).Draw(t, "nanosecond")) // from 1811 to 2255
		if _, change := at.In(zone(t, name)).ZoneBounds(); !change.IsZero() && rapid.Bool().Draw(t, "near a change") {
			at = change.Add(time.Duration(rapid.Int64Range(-30*3600e9, 30*3600e9).Draw(t, "after the change")))
		}
		every := rapid.SampledFrom([]string{"hour", "day", "week", "month", "1", "2700", "86400"}).Draw(t, "every")
		clock := fmt.Sprintf("%02d:%02d", rapid.IntRange(0, 23).Draw(t, "hour"), rapid.IntRange(0, 59).Draw(t, "minute"))
		if every == "hour" {
			clock = clock[2:]
		}
		r := rule(t, every, clock, name)
		start, end := r.Interval(at)
		require.False(t, at.Before(start), "%v before %v", at, start)
		require.True(t, at.Before(end), "%v not before %v", at, end)
		next, _ := r.Interval(end)
		require.Equal(t, end, next)
		_, before := r.Interval(start.Add(-1))
		require.Equal(t, start, before)
		begin, same := r.Interval(start)
		require.Equal(t, []time.Time{start, end}, []time.Time{begin, same})
	})
}

func TestIntervalsOfTheEpochTileTime(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		length := rapid.Int64Range(1, 366*86400).Draw(t, "length")
		at := time.Unix(rapid.Int64Range(-5e9, 9e9).Draw(t, "second"), rapid.Int64Range(0, 999999999).Draw(t, "nanosecond"))
		start, end := rule(t, fmt.Sprint(length), "", "").Interval(at)
		require.Zero(t, start.UnixNano()%(length*1e9), "counted from the epoch")
		require.Equal(t, time.Duration(length)*time.Second, end.Sub(start))
		require.False(t, at.Before(start) || !at.Before(end))
	})
}

func BenchmarkInterval(b *testing.B) {
	at := time.Date(2026, 3, 29, 2, 30, 0, 0, time.UTC)
	for _, every := range []string{"900", "hour", "day", "month"} {
		r := rule(b, every, "", "Europe/Berlin")
		b.Run(every, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r.Interval(at)
			}
		})
	}
}
