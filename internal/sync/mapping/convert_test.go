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
