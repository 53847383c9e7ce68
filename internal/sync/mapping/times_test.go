package mapping_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/record"
	"github.com/headgate/headgate/internal/sync/mapping"
	"github.com/headgate/headgate/internal/sync/source"
)

// A time without a zone means the same from every source: databases return a zoneless time,
// and files and APIs text.
func TestZoneHasOneMeaning(t *testing.T) {
	t.Parallel()
	clock := time.Date(2026, 1, 2, 10, 0, 0, 0, time.UTC)
	for _, v := range []any{"2026-01-02 10:00:00", "2026-01-02T10:00:00", source.WithoutZone(clock)} {
		for field, want := range map[string]string{
			`"from":"x","type":"time","zone":"Asia/Kolkata"`:             `{"f":"2026-01-02T04:30:00Z"}`,
			`"from":"deep.er.x","type":"time","zone":"America/New_York"`: `{"f":"2026-01-02T15:00:00Z"}`,
			`"cel":"row.x","type":"time","zone":"Asia/Kolkata"`:          `{"f":"2026-01-02T04:30:00Z"}`,
			`"from":"x","type":"time"`:                                   `{"f":"2026-01-02T10:00:00Z"}`,
		} {
			got, reject := one(t, field, v)
			require.Nil(t, reject, "%s of %v: %v", field, v, reject)
			require.Equal(t, want, got, "%s of %v", field, v)
		}
	}
	for _, v := range []any{clock, "2026-01-02T10:00:00Z", "2026-01-02T10:00:00+00:00"} { // which name their zone
		got, reject := one(t, `"from":"x","type":"time","zone":"Asia/Kolkata"`, v)
		require.Nil(t, reject)
		require.Equal(t, `{"f":"2026-01-02T10:00:00Z"}`, got)
	}
}

// A date stays that date on the way in and on the way out.
func TestDatesHaveNoZone(t *testing.T) {
	t.Parallel()
	for _, zone := range []string{"Asia/Kolkata", "America/New_York", "Pacific/Kiritimati"} {
		for _, format := range []string{"", `,"format":"date"`, `,"format":"02/01/2006"`} {
			m := compile(t, "thing", `{"fields":{"f":{"from":"x","type":"time","zone":"`+zone+`"`+format+`}}}`)
			text := "2026-02-28"
			if len(format) > 20 {
				text = "28/02/2026"
			}
			out, reject := m.Map(rowOf(map[string]any{"id": "1", "x": text}))
			require.Nil(t, reject)
			if text == "2026-02-28" {
				require.JSONEq(t, `{"f":"2026-02-28T00:00:00Z"}`, string(out.Data))
			}
			data, err := record.Decode(out.Data)
			require.NoError(t, err)
			fields, reject := m.Unmap(data)
			require.Nil(t, reject)
			if format != "" {
				require.Equal(t, text, fields["x"], "%s %s", zone, format)
			}
		}
	}
}

// newest compares instants, whatever zone the times are in.
func TestTheLastChangeIsAnInstant(t *testing.T) {
	t.Parallel()
	clock := source.WithoutZone(time.Date(2026, 1, 2, 10, 0, 0, 0, time.UTC))
	kolkata, err := time.LoadLocation("Asia/Kolkata")
	require.NoError(t, err)
	for def, want := range map[string]string{
		`{"cursor":{"time":"x"}}`:                                                                                                                          "2026-01-02T10:00:00Z",
		`{"cursor":{"time":"x","zone":"Asia/Kolkata"}}`:                                                                                                    "2026-01-02T04:30:00Z",
		`{"cursor":{"time":"deep.er.x","zone":"America/New_York"}}`:                                                                                        "2026-01-02T15:00:00Z",
		`{"cursor":{"time":"x"},"fields":{"f":{"from":"x","type":"time","zone":"Asia/Kolkata"}}}`:                                                          "2026-01-02T04:30:00Z",
		`{"cursor":{"time":"x"},"fields":{"f":{"from":"x","type":"time","zone":"Asia/Kolkata","format":"2006-01-02 15:04:05"}}}`:                           "2026-01-02T04:30:00Z",
		`{"cursor":{"time":"x","zone":"America/New_York"},"fields":{"f":{"from":"x","type":"time","zone":"Asia/Kolkata","format":"2006-01-02 15:04:05"}}}`: "2026-01-02T15:00:00Z",
	} {
		for _, v := range []any{clock, "2026-01-02 10:00:00"} {
			row := rowOf(map[string]any{"id": "1", "x": v, "deep": map[string]any{"er": map[string]any{"x": v}}})
			out, reject := compile(t, "thing", def).Map(row)
			require.Nil(t, reject)
			require.Equal(t, want, out.Time.Format(time.RFC3339), "%s of %v", def, v)
			at, ok := compile(t, "thing", def).Spec().TimeOf(row)
			require.True(t, ok)
			require.Equal(t, out.Time, at, "the source reads the same")
		}
	}
	m := compile(t, "thing", `{"cursor":{"time":"x"}}`)
	m.InZone(kolkata) // the database's own zone
	out, _ := m.Map(rowOf(map[string]any{"id": "1", "x": clock}))
	require.Equal(t, "2026-01-02T04:30:00Z", out.Time.Format(time.RFC3339))
}

// The mapper knows which rows have no cursor that can be read.
func TestCursorsAreCounted(t *testing.T) {
	t.Parallel()
	m := compile(t, "thing", `{"cursor":{"time":"meta.at"}}`)
	for _, v := range []any{"2026-01-02T10:00:00+0000", "ten o'clock", nil, "", "later"} {
		_, reject := m.Map(rowOf(map[string]any{"id": "1", "meta": map[string]any{"at": v}}))
		require.Nil(t, reject)
	}
	_, reject := m.Map(rowOf(map[string]any{"id": "1"}))
	require.Nil(t, reject)
	require.Equal(t, mapping.Cursors{Rows: 6, Empty: 3, Unread: 2, Example: `"ten o'clock"`}, m.Cursors())
}
