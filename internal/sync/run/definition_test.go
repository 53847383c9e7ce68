package run_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSchedulesThatNeverCome(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for name, c := range map[string]struct{ frequency, zone, path, want string }{
		"no such day":          {"0 0 30 2 *", "", "frequency", "never comes"},
		"zone":                 {"daily", "Mars/Olympus", "timeZone", "not the name of a time zone"},
		"zone for later":       {"", "Mars/Olympus", "timeZone", "not the name of a time zone"},
		"zone of this machine": {"daily", "Local", "timeZone", "not the name of a time zone"},
		"leap day":             {"0 0 29 2 *", "Asia/Kolkata", "", ""},
	} {
		def := *w.def
		def.Frequency, def.TimeZone = c.frequency, c.zone
		faults := w.svc.CheckSync(&def)
		if c.path == "" {
			require.Empty(t, faults, name)
			continue
		}
		require.Len(t, faults, 1, name)
		require.Equal(t, c.path, faults[0].Path, name)
		require.Contains(t, faults[0].Message, c.want, name)
	}
}
