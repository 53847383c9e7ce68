package source_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/sync/source"
)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	require.NoError(t, err)
	return z
}

func TestInstant(t *testing.T) {
	t.Parallel()
	want := time.Date(2026, 3, 4, 5, 6, 0, 0, time.UTC)
	for _, v := range []any{
		want, "2026-03-04T05:06:00Z", "2026-03-04t05:06:00z", "2026-03-04T10:36:00+05:30", "2026-03-04T10:36:00+0530", "2026-03-04T04:06:00-01",
		"2026-03-04 05:06:00 UTC", "2026-03-04T05:06:00 GMT", "2026-03-04 05:06:00 Z", "2026-03-04 00:06:00 -0500", "2026-03-04 05:06:00.000000+00",
		"2026-03-04T05:06Z", "2026-03-04T05:06+00:00", "2026-03-04 05:06 +0000", " 2026-03-04T05:06:00.000Z ", "2026-03-04T05:06:00,000Z",
		"Wed, 04 Mar 2026 05:06:00 GMT", "Wed, 4 Mar 2026 06:06:00 +0100", "Wed, 04 Mar 2026 05:06:00 +0000", "Wednesday, 04-Mar-26 05:06:00 GMT",
		int64(1772600760), json.Number("1772600760"), json.Number("1772600760.0"), 1772600760.0, "1772600760", "1772600760.000",
		json.Number("1772600760000"), "1772600760000", int64(1772600760000000), "1772600760000000",
	} {
		got, ok := source.Instant(v, zone(t, "America/New_York")) // which is only of use to times without a zone
		require.True(t, ok, "%v", v)
		require.Equal(t, want, got, "%v", v)
	}
	for _, v := range []any{
		"2026-03-04T05:06:00", "2026-03-04 05:06:00", "2026-03-04T05:06", "2026-03-04 05:06", "2026-03-04 05:06:00.000000",
		time.Date(2026, 3, 4, 5, 6, 0, 0, source.Zoneless),
	} {
		got, ok := source.Instant(v, zone(t, "America/New_York"))
		require.True(t, ok, "%v", v)
		require.Equal(t, want.Add(5*time.Hour), got, "%v", v)
		got, ok = source.Instant(v, nil)
		require.True(t, ok)
		require.Equal(t, want, got, "%v", v)
	}
	for _, v := range []any{
		nil, "", " ", "yesterday", "20260304", "12345678", "10h30", "2026-03-04T05:06:00 EST", "2026-13-04", "0000-00-00 00:00:00", "infinity",
		true, int64(-5), "1e10", "12345678901234567890", []any{}, "2026-03-04 5pm", "-1772600760",
	} {
		_, ok := source.Instant(v, nil)
		require.False(t, ok, "%v", v)
	}
}

func TestInZone(t *testing.T) {
	t.Parallel()
	york := zone(t, "America/New_York")
	for clock, want := range map[string]string{
		"2026-07-01 12:00:00": "2026-07-01T16:00:00Z",
		"2026-12-01 12:00:00": "2026-12-01T17:00:00Z",
		"2026-11-01 00:59:59": "2026-11-01T04:59:59Z",
		"2026-11-01 01:30:00": "2026-11-01T05:30:00Z", // shown twice: the first one
		"2026-11-01 02:00:00": "2026-11-01T07:00:00Z",
		"2026-03-08 01:59:59": "2026-03-08T06:59:59Z",
		"2026-03-08 02:30:00": "2026-03-08T07:30:00Z", // shown by no clock
		"2026-03-08 03:00:00": "2026-03-08T07:00:00Z",
	} {
		got, ok := source.Instant(clock, york)
		require.True(t, ok)
		require.Equal(t, want, got.Format(time.RFC3339), clock)
	}
}

// Whatever is written from an instant on has the earliest clock or a later one.
func TestEarliestClock(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "UTC"} {
		z := zone(t, name)
		for at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC); at.Year() < 2027; at = at.Add(187 * time.Minute) {
			earliest := source.EarliestClock(at, z)
			for later := at; later.Before(at.Add(30 * time.Hour)); later = later.Add(29 * time.Minute) {
				require.False(t, later.Add(source.Offset(z, later)).Before(earliest), "%s: %s and %s", name, at, later)
			}
			require.LessOrEqual(t, at.Add(source.Offset(z, at)).Sub(earliest), time.Hour)
		}
	}
}
