package mapping

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/sync/source"
)

// The time of a row's last change is read in every form that sources write. The conflict
// rule newest compares these times.
func TestTimeOfTheLastChange(t *testing.T) {
	t.Parallel()
	want := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	for name, c := range map[string]struct {
		value any
		field Field
	}{
		"RFC 3339":         {"2026-03-04T05:06:07Z", Field{From: "x"}},
		"time":             {want, Field{From: "x"}},
		"seconds":          {int64(1772600767), Field{From: "x"}},
		"seconds of JSON":  {json.Number("1772600767"), Field{From: "x"}},
		"milliseconds":     {json.Number("1772600767000"), Field{From: "x"}},
		"parts of seconds": {1772600767.0, Field{From: "x"}},
		"a field's format": {"04/03/2026 10:36:07", Field{From: "at", Type: "time", Format: "02/01/2006 15:04:05", Zone: "Asia/Kolkata"}},
		"seconds as text":  {"1772600767", Field{From: "at", Type: "time", Format: "unix"}},
		"no time":          {"yesterday", Field{From: "at"}},
	} {
		m, faults := New("item", &Type{Cursor: &Cursor{Time: "at"}, Fields: map[string]Field{"f": c.field}}, source.Spec{})
		require.Empty(t, faults)
		out, reject := m.Map(source.Row{Columns: source.NewColumns([]string{"id", "at"}), Values: []any{"1", c.value}})
		require.Nil(t, reject, name)
		if name == "no time" {
			require.Zero(t, out.Time)
			continue
		}
		require.True(t, want.Equal(out.Time), "%s: %s", name, out.Time)
	}
}

// Numbers keep every digit, in all ways in which people and databases write them. Without a
// type, a text that looks like a number stays text.
func TestNumbersAsText(t *testing.T) {
	t.Parallel()
	const digits = "123456789012345678901234567890"
	for _, c := range []struct{ text, number, integer string }{
		{"7", "7", "7"},
		{"+7", "7", "7"},
		{"007", "7", "7"},
		{".5", "0.5", ""},
		{"-.5", "-0.5", ""},
		{"5.", "5", "5"},
		{"1e3", "1000", "1000"},
		{digits, "1.2345678901234567890123456789e+29", "1.2345678901234567890123456789e+29"},
		{"+00" + digits[:20], digits[:20], digits[:20]},
		{"-0" + digits[:20] + "." + digits[:20], "-" + digits[:20] + "." + digits[:19], ""},
		{"." + digits, "0." + digits[:29], ""},
		{"+0.1234567890123456", "0.1234567890123456", ""},
		{"18446744073709551615", "18446744073709551615", "18446744073709551615"}, // the largest unsigned bigint
		{"-9223372036854775809", "-9223372036854775809", "-9223372036854775809"},
		{"1,5", "", ""},
		{"0x10", "", ""},
		{"+-1", "", ""},
		{"12345678901234567.5", "12345678901234567.5", ""},
	} {
		for typ, want := range map[string]string{"number": c.number, "integer": c.integer, "": `"` + c.text + `"`, "string": `"` + c.text + `"`} {
			m, faults := New("item", &Type{Fields: map[string]Field{"f": {From: "f", Type: typ}}}, source.Spec{})
			require.Empty(t, faults)
			for _, v := range []any{c.text, json.Number(c.text)} {
				if n, ok := v.(json.Number); ok && (!json.Valid([]byte(n)) || typ == "" || typ == "string") {
					continue
				}
				out, reject := m.Map(source.RowOf(map[string]any{"id": "1", "f": v}))
				require.Equal(t, want == "", reject != nil, "%s as %s: %v", c.text, typ, reject)
				if want != "" {
					require.JSONEq(t, `{"f": `+want+`}`, string(out.Data))
					require.Equal(t, `{"f":`+want+`}`, string(out.Data))
				}
			}
		}
	}
}

// A column may have times in several formats. The message of a time in none of them names
// the first.
func TestTimesInSeveralFormats(t *testing.T) {
	t.Parallel()
	field := Field{From: "at", Type: "time", Format: "02/01/2006", Formats: []string{"date", "2.1.2006", "2 Jan 2006 15:04"}, Zone: "Asia/Kolkata"}
	m, faults := New("item", &Type{Fields: map[string]Field{"at": field}}, source.Spec{})
	require.Empty(t, faults)
	for text, want := range map[string]string{
		"04/03/2026": "2026-03-03T18:30:00Z", "2026-03-04": "2026-03-04T00:00:00Z", "4.3.2026": "2026-03-03T18:30:00Z", "4 Mar 2026 10:00": "2026-03-04T04:30:00Z", "03-04-2026": "",
	} {
		out, reject := m.Map(source.RowOf(map[string]any{"id": "1", "at": text}))
		if want == "" {
			require.NotNil(t, reject)
			require.Contains(t, reject.Reason, "02/01/2006")
			continue
		}
		require.Nil(t, reject, text)
		require.JSONEq(t, `{"at": "`+want+`"}`, string(out.Data))
	}
	_, faults = New("item", &Type{Fields: map[string]Field{"at": {From: "at", Formats: []string{"date"}}}}, source.Spec{})
	require.Len(t, faults, 1)
}
