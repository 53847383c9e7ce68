package definition_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/definition"
)

func TestSchedulesThatNeverCome(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, c := range map[string]struct{ frequency, zone, path, want string }{
		"no such day":          {"0 0 30 2 *", "", "frequency", "never comes"},
		"zone":                 {"daily", "Mars/Olympus", "timeZone", "not the name of a time zone"},
		"zone for later":       {"", "Mars/Olympus", "timeZone", "not the name of a time zone"},
		"zone of this machine": {"daily", "Local", "timeZone", "not the name of a time zone"},
		"leap day":             {"0 0 29 2 *", "Asia/Kolkata", "", ""},
	} {
		def := newSync()
		def.Frequency, def.TimeZone = c.frequency, c.zone
		faults := w.defs.Check(def)
		if c.path == "" {
			require.Empty(t, faults, name)
			continue
		}
		require.Len(t, faults, 1, name)
		require.Equal(t, c.path, faults[0].Path, name)
		require.Contains(t, faults[0].Message, c.want, name)
	}
}

// All faults are found at once, and a definition with a fault is not stored.
func TestFaultsOfADefinition(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for path, change := range map[string]func(*definition.Sync){
		"id":                              func(s *definition.Sync) { s.ID = "a/b" },
		"orgId":                           func(s *definition.Sync) { s.OrgID = "" },
		"type":                            func(s *definition.Sync) { s.Type = "sideways" },
		"conflict":                        func(s *definition.Sync) { s.Conflict = definition.Newest }, // no cursor
		"frequency":                       func(s *definition.Sync) { s.IsOneTime = true },
		"maxRejected":                     func(s *definition.Sync) { s.MaxRejected = new(1.5) },
		"maxDeletes":                      func(s *definition.Sync) { s.MaxDeletes = new(-1.0) },
		"datasource.type":                 func(s *definition.Sync) { s.Datasource.Type = "other" },
		"datasource.selectedDatatypes":    func(s *definition.Sync) { s.Datasource.SelectedDatatypes = nil },
		"datasource.selectedDatatypes[1]": func(s *definition.Sync) { s.Datasource.SelectedDatatypes = []string{"item", "item"} },
	} {
		def := newSync()
		change(def)
		faults := w.defs.Check(def)
		require.Len(t, faults, 1, path)
		require.Equal(t, path, faults[0].Path)
		_, err := w.defs.Create(t.Context(), def)
		require.Equal(t, fault.Invalid, fault.CodeOf(err), path)
	}
	require.Len(t, w.defs.Check(&definition.Sync{ID: "/", MaxRejected: new(2.0)}), 6)
	list, err := w.defs.List(t.Context(), "")
	require.NoError(t, err)
	require.Empty(t, list)
}
