package apisource_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/sync/source"
)

// cursorOf returns where a pull ends whose only row has the value, and with which time the
// next pull asks for changes.
func cursorOf(t *testing.T, spec source.Spec, item string) (source.Cursor, string) {
	t.Helper()
	s := newServer(t, `{"list":"row","since":{"param":"since"}}`)
	s.answer = func(string, []any) any { return `[` + item + `]` }
	r, err := s.Open(t).Pull(t.Context(), source.Pull{Spec: spec, PageSize: 10})
	require.NoError(t, err)
	page, err := r.Next(t.Context())
	require.NoError(t, err)
	r, err = s.Open(t).Pull(t.Context(), source.Pull{Spec: spec, PageSize: 10, Cursor: page.Cursor})
	require.NoError(t, err)
	_, err = r.Next(t.Context())
	require.NoError(t, err)
	_, query, _ := strings.Cut(s.calls[1], "?")
	values, err := url.ParseQuery(query)
	require.NoError(t, err)
	return page.Cursor, values.Get("since")
}

func TestFormsOfTheCursor(t *testing.T) {
	t.Parallel()
	want := time.Date(2026, 3, 4, 5, 6, 0, 0, time.UTC)
	spec := row
	spec.CursorTime, spec.Overlap = "meta.changed.at", time.Minute
	for _, v := range []any{
		"2026-03-04T05:06:00Z", "2026-03-04T05:06:00+0000", "2026-03-04 05:06:00 UTC", "2026-03-04T05:06", "2026-03-04T10:36+05:30", "1772600760",
		1772600760, 1772600760000, "Wed, 04 Mar 2026 05:06:00 GMT",
	} {
		text, err := json.Marshal(v)
		require.NoError(t, err)
		cursor, since := cursorOf(t, spec, `{"id":"a","meta":{"changed":{"at":`+string(text)+`}}}`)
		require.Equal(t, want, cursor.Time, "%v", v)
		require.Equal(t, "2026-03-04T05:04:59Z", since, "%v", v)
	}
}

func TestZoneOfTheCursor(t *testing.T) {
	t.Parallel()
	york, err := time.LoadLocation("America/New_York")
	require.NoError(t, err)
	spec := row
	spec.CursorTime, spec.CursorZone = "at", york
	for at, want := range map[string][2]string{
		"2026-07-01 12:00:00":       {"2026-07-01T16:00:00Z", "2026-07-01T11:59:59-04:00"},
		"2026-07-01T12:00:00+02:00": {"2026-07-01T10:00:00Z", "2026-07-01T05:59:59-04:00"},
		// The clocks go back at two. What changes at ten past one for the second time is not passed over.
		"2026-11-01 01:50:00": {"2026-11-01T05:50:00Z", "2026-11-01T00:49:59-04:00"},
	} {
		cursor, since := cursorOf(t, spec, `{"id":"a","at":"`+at+`"}`)
		require.Equal(t, want[0], cursor.Time.Format(time.RFC3339), at)
		require.Equal(t, want[1], since, at)
	}
}
