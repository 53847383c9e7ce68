package alert_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/headgate/headgate/internal/gate/alert"
	"github.com/headgate/headgate/internal/schedule"
)

func parse(t require.TestingT, cron, zone string) *schedule.Schedule {
	at, err := time.LoadLocation(zone)
	require.NoError(t, err)
	s, err := schedule.Parse(cron, at)
	require.NoError(t, err)
	return s
}

func instant(t *testing.T, text string) time.Time {
	at, err := time.Parse(time.RFC3339, text)
	require.NoError(t, err)
	return at
}

// times returns the instants of expectations in UTC.
func times(due []alert.Expectation) (list []string) {
	for _, e := range due {
		list = append(list, e.At.UTC().Format(time.RFC3339))
	}
	return list
}

func TestDue(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cron, zone, evaluated, now string
		want                       []string
	}{
		"nothing since":       {"30 6 * * *", "UTC", "2026-05-01T06:30:00Z", "2026-05-02T06:29:59Z", nil},
		"to the instant":      {"30 6 * * *", "UTC", "2026-05-01T06:30:00Z", "2026-05-02T06:30:00Z", []string{"2026-05-02T06:30:00Z"}},
		"three missed":        {"0 * * * *", "UTC", "2026-05-01T06:00:00Z", "2026-05-01T09:10:00Z", []string{"2026-05-01T07:00:00Z", "2026-05-01T08:00:00Z", "2026-05-01T09:00:00Z"}},
		"a week down":         {"30 6 * * *", "UTC", "2026-05-01T06:30:00Z", "2026-05-08T07:00:00Z", []string{"2026-05-08T06:30:00Z"}},
		"not on weekends":     {"30 6 * * 1-5", "Europe/Berlin", "2026-05-01T04:30:00Z", "2026-05-03T12:00:00Z", nil},
		"the clock was ahead": {"0 * * * *", "UTC", "2026-05-01T12:00:00Z", "2026-05-01T09:10:00Z", nil},
		// Clocks go from 02:00 to 03:00: 02:30 is the first instant after the gap.
		"a gap": {"30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-29T12:00:00Z", []string{"2026-03-29T01:00:00Z"}},
		// Clocks go from 03:00 back to 02:00: 02:30 occurs twice and is due once.
		"an hour twice": {"30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-25T12:00:00Z", []string{"2026-10-25T00:30:00Z"}},
	} {
		due := alert.Due(parse(t, c.cron, c.zone), instant(t, c.evaluated), instant(t, c.now))
		require.Equal(t, c.want, times(due), name)
		for _, e := range due {
			require.True(t, e.Since.Before(e.At), name)
		}
	}
	due := alert.Due(parse(t, "* * * * *", "UTC"), instant(t, "2026-05-01T00:00:00Z"), instant(t, "2026-05-01T12:00:00Z"))
	require.Len(t, due, 24, "bounded")
	require.Equal(t, instant(t, "2026-05-01T12:00:00Z"), due[23].At.UTC(), "the latest ones")
}

func TestMissed(t *testing.T) {
	t.Parallel()
	due := alert.Due(parse(t, "0 * * * *", "UTC"), instant(t, "2026-05-01T06:00:00Z"), instant(t, "2026-05-01T09:10:00Z"))
	require.Equal(t, due, alert.Missed(due, nil))
	require.Equal(t, []string{"2026-05-01T07:00:00Z", "2026-05-01T09:00:00Z"}, times(alert.Missed(due, []time.Time{
		instant(t, "2026-05-01T07:00:01Z"), instant(t, "2026-05-01T08:00:00Z"), // the latter is in time to the instant
	})))
	require.Equal(t, []string{"2026-05-01T08:00:00Z", "2026-05-01T09:00:00Z"}, times(alert.Missed(due, []time.Time{
		instant(t, "2026-05-01T07:00:00Z"), instant(t, "2026-05-01T06:00:00Z"),
	})))
}

// However often and whenever somebody looks, the evaluations together are those of one look.
func TestEachInstantIsDueOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := parse(t, rapid.SampledFrom([]string{"*/7 * * * *", "30 2 * * *", "0 */2 * * *", "15 1,2,3 * * 0,6"}).Draw(t, "cron"),
			rapid.SampledFrom([]string{"UTC", "Europe/Berlin", "Australia/Lord_Howe"}).Draw(t, "zone"))
		began := time.Date(2026, 3, 28, 0, 0, 0, 0, time.UTC).Add(time.Duration(rapid.IntRange(0, 300*24*60).Draw(t, "began")) * time.Minute)
		now, evaluated := began, began
		var got []string
		for _, step := range rapid.SliceOfN(rapid.IntRange(0, 150*60), 1, 40).Draw(t, "steps") { // at most 24 instants of the densest schedule
			now = now.Add(time.Duration(step) * time.Second)
			due := alert.Due(s, evaluated, now)
			if got = append(got, times(due)...); len(due) > 0 {
				evaluated = due[len(due)-1].At
			}
		}
		var want []string
		for at := s.Next(began); !at.After(now); at = s.Next(at) {
			want = append(want, at.UTC().Format(time.RFC3339))
		}
		require.Equal(t, want, got)
	})
}
