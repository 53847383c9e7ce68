package calendar_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/gate/calendar"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for _, good := range [][3]string{
		{"hour"}, {"hour", ":15"}, {"hour", "00:59", "Asia/Kathmandu"}, {"day"}, {"day", "06:00", "Europe/Berlin"},
		{"week", "23:59"}, {"month", "00:00", "UTC"}, {"1"}, {"900"}, {"31622400"}, {"7", "", "UTC"}, {"28800", "06:00"},
		{"86400", "", "Pacific/Apia"},
	} {
		_, err := calendar.Parse(good[0], good[1], good[2])
		require.NoError(t, err, "%q", good)
	}
	const (
		neither = " is neither hour, day, week or month nor a number of seconds from 1 to 31622400"
		divide  = " seconds do not divide a day of 86400 seconds, as they must with at or timeZone, because they are counted from the beginning of each day"
		zone    = ` is not the name of a time zone, such as Europe/Berlin`
	)
	for _, bad := range []struct{ every, at, zone, want string }{
		{"", "", "", `every: ""` + neither},
		{"Day", "", "", `every: "Day"` + neither},
		{"0", "", "", `every: "0"` + neither},
		{"-5", "", "", `every: "-5"` + neither},
		{"1.5", "", "", `every: "1.5"` + neither},
		{"31622401", "", "", `every: "31622401"` + neither},
		{"99999999999999999999", "", "", `every: "99999999999999999999"` + neither},
		{"day", "6:00", "", `at: "6:00" is not a time of day, such as 06:00`},
		{"day", ":30", "", `at: ":30" is not a time of day, such as 06:00`},
		{"day", "24:00", "", `at: "24:00" is not a time of day, such as 06:00`},
		{"day", "06:00:00", "", `at: "06:00:00" is not a time of day, such as 06:00`},
		{"hour", "06:00", "", `at: "06:00" is not the minute at which an hour begins, such as :15`},
		{"hour", ":60", "", `at: ":60" is not the minute at which an hour begins, such as :15`},
		{"day", "", "Local", `timeZone: "Local"` + zone},
		{"day", "", "Berlin", `timeZone: "Berlin"` + zone},
		{"7", "", "Europe/Berlin", "every: 7" + divide},
		{"172800", "06:00", "", "every: 172800" + divide},
		{"hours", ":15", "X/Y", `every: "hours"` + neither + "\n" + `timeZone: "X/Y"` + zone},
		{"day", "noon", "X/Y", `at: "noon" is not a time of day, such as 06:00` + "\n" + `timeZone: "X/Y"` + zone},
	} {
		_, err := calendar.Parse(bad.every, bad.at, bad.zone)
		require.EqualError(t, err, bad.want)
		var faults calendar.Errors
		var first *calendar.FieldError
		require.True(t, errors.As(err, &faults))
		require.True(t, errors.As(err, &first))
		require.Same(t, faults[0], first)
	}
}
