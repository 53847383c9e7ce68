package schedule_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/headgate/headgate/internal/schedule"
)

func TestFirst(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ zone, local, want string }{
		{"UTC", "2026-03-29 02:30", "2026-03-29 02:30 +0000"},
		{"Europe/Berlin", "2026-03-29 01:59", "2026-03-29 01:59 +0100"},
		{"Europe/Berlin", "2026-03-29 02:00", "2026-03-29 03:00 +0200"},
		{"Europe/Berlin", "2026-03-29 02:30", "2026-03-29 03:00 +0200"},
		{"Europe/Berlin", "2026-10-25 02:30", "2026-10-25 02:30 +0200"},
		{"Europe/Berlin", "2026-10-25 03:00", "2026-10-25 03:00 +0100"},
		{"Australia/Lord_Howe", "2026-10-04 02:15", "2026-10-04 02:30 +1100"},
		{"Australia/Lord_Howe", "2026-04-05 01:45", "2026-04-05 01:45 +1100"},
		{"Pacific/Apia", "2011-12-29 23:59", "2011-12-29 23:59 -1000"},
		{"Pacific/Apia", "2011-12-30 00:00", "2011-12-31 00:00 +1400"},
		{"Pacific/Apia", "2011-12-30 18:00", "2011-12-31 00:00 +1400"},
	} {
		z := zone(t, c.zone)
		local, err := time.Parse("2006-01-02 15:04", c.local)
		require.NoError(t, err)
		require.Equal(t, c.want, schedule.First(local, z).In(z).Format("2006-01-02 15:04 -0700"), "%s in %s", c.local, c.zone)
	}
}

// From 2040 on, the zones' tables end and rules take over.
func TestTheEndOfDistantLeapYears(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Gaza"} {
		z := zone(t, name)
		for _, year := range []int{2040, 2088, 2400} {
			for hour := range 48 {
				at := time.Date(year, 12, 30, 12+hour, 30, 0, 0, z)
				begin, end := schedule.Bounds(at)
				require.False(t, at.Before(begin), at)
				require.True(t, at.Before(end), at)
				require.True(t, schedule.First(time.Date(year, 12, 30, 12+hour, 30, 0, 0, time.UTC), z).Equal(at), at)
			}
			s, err := schedule.Parse("*/30 * * * *", z)
			require.NoError(t, err)
			at := time.Date(year, 12, 31, 12, 0, 0, 0, z)
			require.True(t, s.Next(at).Equal(at.Add(30*time.Minute)))
			require.True(t, s.Latest(at.Add(1)).Equal(at))
		}
	}
}

// The model walks from minute to minute until the clock shows the time or a later one.
func TestFirstAgainstAModel(t *testing.T) {
	t.Parallel()
	zones := []string{"Europe/Berlin", "America/Havana", "Australia/Lord_Howe", "Pacific/Apia", "Pacific/Kwajalein", "Asia/Kathmandu", "Africa/Casablanca", "America/St_Johns"}
	rapid.Check(t, func(t *rapid.T) {
		z := zone(t, rapid.SampledFrom(zones).Draw(t, "zone"))
		at := time.Unix(60*rapid.Int64Range(3<<20, 34<<20).Draw(t, "minute"), 0).In(z) // from 1975 to 2037
		if _, change := at.ZoneBounds(); !change.IsZero() {
			at = change.Add(time.Duration(rapid.IntRange(-50*60, 50*60).Draw(t, "minutes from the change")) * time.Minute)
		}
		shown := func(at time.Time) time.Time {
			_, offset := at.In(z).Zone()
			return at.UTC().Add(time.Duration(offset) * time.Second)
		}
		local := shown(at)
		want := at.Add(-3 * 24 * time.Hour)
		for shown(want).Before(local) {
			want = want.Add(time.Minute)
		}
		require.True(t, schedule.First(local, z).Equal(want), "%v: %v, not %v", local, schedule.First(local, z), want)
	})
}

func BenchmarkFirst(b *testing.B) {
	z, local := zone(b, "Europe/Berlin"), time.Date(2026, 3, 29, 2, 30, 0, 0, time.UTC)
	b.ReportAllocs()
	for b.Loop() {
		schedule.First(local, z)
	}
}
