package mapping_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/headgate/headgate/internal/record"
	"github.com/headgate/headgate/internal/sync/mapping"
	"github.com/headgate/headgate/internal/sync/source"
)

const spelled = `{"delete":{"field":"gone","equals":true},"fields":{
	"o":{"from":"o","type":"bool"},"t":{"from":"t","type":"time"},"u":{"from":"u","type":"time","format":"unix"},
	"d":{"from":"d","type":"time","format":"2/1/2006"},"n":{"from":"n","type":"number"},"i":{"from":"i","type":"integer"},
	"s":{"from":"s","type":"string"},"j":{"from":"j","type":"json"}}}`

// A value is written as the rows of the pull spell it.
func TestValuesAreWrittenAsTheyAreSpelled(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 10, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		field string
		seen  []any
		ours  any
		want  any
	}{
		{field: "o", seen: []any{"Y", "N"}, ours: true, want: "Y"},
		{field: "o", seen: []any{"Y", "N"}, ours: false, want: "N"},
		{field: "o", seen: []any{"Y"}, ours: false, want: "N"},
		{field: "o", seen: []any{"no"}, ours: true, want: "yes"},
		{field: "o", seen: []any{"False"}, ours: true, want: "True"},
		{field: "o", seen: []any{" TRUE "}, ours: false, want: "FALSE"},
		{field: "o", seen: []any{int64(1)}, ours: false, want: int64(0)},
		{field: "o", seen: []any{json.Number("0")}, ours: true, want: int64(1)},
		{field: "o", seen: []any{"0"}, ours: true, want: "1"},
		{field: "o", seen: []any{false}, ours: true, want: true},
		{field: "o", ours: true, want: true},
		{field: "t", seen: []any{"2026-01-01 00:00:00"}, ours: at, want: "2026-01-02 10:00:00"},
		{field: "t", seen: []any{"2026-01-01 00:00:00"}, ours: at.Add(1500 * time.Millisecond), want: "2026-01-02 10:00:01.5"},
		{field: "t", seen: []any{"2026-01-01T00:00:00"}, ours: at, want: "2026-01-02T10:00:00"},
		{field: "t", seen: []any{"2026-01-01T00:00:00+02:00"}, ours: at, want: "2026-01-02T10:00:00Z"},
		{field: "t", seen: []any{"2026-01-01"}, ours: at.Add(-10 * time.Hour), want: "2026-01-02"},
		{field: "t", seen: []any{"2026-01-01"}, ours: at, want: "2026-01-02T10:00:00Z"}, // the date alone would lose the hour
		{field: "t", seen: []any{at}, ours: at, want: "2026-01-02T10:00:00Z"},
		{field: "u", seen: []any{"1767348000"}, ours: at, want: "1767348000"},
		{field: "u", seen: []any{int64(1767348000)}, ours: at, want: int64(1767348000)},
		{field: "d", seen: []any{"01/01/2026"}, ours: at, want: "2/1/2026"},
		{field: "d", seen: []any{at}, ours: at, want: at}, // a column of times has no format
		{field: "n", seen: []any{"1.50"}, ours: 2.5, want: "2.5"},
		{field: "n", seen: []any{1.5}, ours: 2.5, want: 2.5},
		{field: "i", seen: []any{" 5 "}, ours: int64(6), want: "6"},
		{field: "s", seen: []any{int64(7)}, ours: "8", want: json.Number("8")},
		{field: "s", seen: []any{int64(7)}, ours: "eight", want: "eight"},
		{field: "s", seen: []any{int64(7)}, ours: "008", want: "008"},
		{field: "s", seen: []any{true}, ours: "false", want: false},
		{field: "s", seen: []any{"a"}, ours: "8", want: "8"},
		{field: "j", seen: []any{`{"a": 1}`}, ours: map[string]any{"a": int64(2)}, want: `{"a":2}`},
		{field: "j", seen: []any{map[string]any{"a": int64(1)}}, ours: map[string]any{"a": int64(2)}, want: map[string]any{"a": int64(2)}},
		{field: "j", ours: map[string]any{"a": int64(2)}, want: map[string]any{"a": int64(2)}},
		{field: "j", ours: "text", want: `"text"`},
		{field: "o", seen: []any{"Y"}, ours: nil, want: nil},
		{field: "o", seen: []any{"Y"}, ours: "neither", want: "neither"}, // the source decides whether it takes that
	} {
		m := compile(t, "thing", spelled)
		for _, v := range c.seen {
			_, reject := m.Map(rowOf(map[string]any{"id": "1", c.field: v}))
			require.Nil(t, reject)
		}
		later := compile(t, "thing", spelled)
		later.Spell(stored(t, m.Spelling()))
		row, reject := later.Unmap(map[string]any{c.field: plain(c.ours)})
		require.Nil(t, reject)
		require.Equal(t, c.want, row[c.field], "%s: %v as %v", c.field, c.ours, c.seen)
		require.Nil(t, m.Spelling(), "nothing new since")
	}
}

// stored returns the spelling as the state of a sync has it.
func stored(t require.TestingT, s mapping.Spelling) (out mapping.Spelling) {
	text, err := json.Marshal(s)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &out))
	return out
}

func plain(v any) any {
	if t, ok := v.(time.Time); ok {
		return t.Format(time.RFC3339Nano)
	}
	return v
}

// Deleted rows are marked in the words of the column.
func TestTheMarkOfDeletedRowsIsSpelled(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ seen, want any }{
		{"N", "Y"}, {"Y", "Y"}, {"no", "yes"}, {int64(0), int64(1)}, {false, true}, {nil, true}, {"", true}, {"perhaps", true},
	} {
		m := compile(t, "thing", spelled)
		_, reject := m.Map(rowOf(map[string]any{"id": "1", "gone": c.seen}))
		require.Nil(t, reject)
		require.Equal(t, c.want, m.PushSpec().DeletedEquals, "%v", c.seen)
		require.Equal(t, true, m.Spec().DeletedEquals, "a pull takes every word")
	}
}

// Whatever a row has, what is written for its record reads back as the same record, and
// counts as the same value.
func TestAnySpellingReadsBackTheSame(t *testing.T) {
	t.Parallel()
	word := rapid.SampledFrom([]any{"Y", "N", "yes", "no", "TRUE", "False", "t", "0", "1", int64(0), int64(1), true, false, " y ", json.Number("1"), nil})
	def := parse(t, spelled)
	rapid.Check(t, func(t *rapid.T) {
		m, faults := mapping.New("thing", def, source.Spec{})
		require.Empty(t, faults)
		var rows []map[string]any
		for i := range rapid.IntRange(1, 6).Draw(t, "rows") {
			at := time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "at"), 0).UTC()
			layout := rapid.SampledFrom([]string{time.RFC3339, time.DateTime, time.DateOnly, "2006-01-02T15:04:05"}).Draw(t, "layout")
			n := rapid.Int32().Draw(t, "n")
			rows = append(rows, map[string]any{
				"id": fmt.Sprint(i), "o": word.Draw(t, "o"), "t": at.Format(layout), "d": at.Format("02/01/2006"), "gone": nil,
				"u": rapid.SampledFrom([]any{at.Unix(), fmt.Sprint(at.Unix()), at}).Draw(t, "u"),
				"n": rapid.SampledFrom([]any{int64(n), fmt.Sprintf(" %d.50 ", n), float64(n) / 8}).Draw(t, "n's form"),
				"i": rapid.SampledFrom([]any{int64(n), fmt.Sprintf("%d", n), float64(n)}).Draw(t, "i's form"),
				"s": rapid.SampledFrom([]any{int64(n), "007", true, "text", strings.Repeat("9", 30)}).Draw(t, "s"),
				"j": rapid.SampledFrom([]any{`{"a": 1}`, map[string]any{"a": int64(1)}, `[]`, ` "text"`, int64(n)}).Draw(t, "j"),
			})
		}
		for range 2 { // the second time, all forms are known
			for _, row := range rows {
				first, reject := m.Map(rowOf(row))
				require.Nil(t, reject)
				data, err := record.Decode(first.Data)
				require.NoError(t, err)
				back, reject := m.Unmap(data)
				require.Nil(t, reject)
				for column, v := range back {
					require.True(t, m.Same(column, row[column], v), "%s: %v and %v", column, row[column], v)
				}
				back["id"] = row["id"]
				second, reject := m.Map(rowOf(back))
				require.Nil(t, reject)
				require.Equal(t, string(first.Data), string(second.Data))
			}
		}
	})
}

func TestSameIsNoMore(t *testing.T) {
	t.Parallel()
	m := compile(t, "thing", spelled)
	for _, c := range []struct {
		column string
		a, b   any
		want   bool
	}{
		{"o", "yes", true, true},
		{"o", "yes", false, false},
		{"o", "perhaps", true, false},
		{"o", "", nil, true}, // an empty text is no value of a bool
		{"s", "", nil, false},
		{"s", "5", int64(5), true},
		{"t", "2026-01-02 10:00:00", "2026-01-02T10:00:00Z", true},
		{"t", "2026-01-02 10:00:01", "2026-01-02T10:00:00Z", false},
		{"j", `{"a": 1, "b": 2}`, map[string]any{"b": 2, "a": 1}, true},
		{"n", " 5 ", int64(5), true},
		{"other", "5", int64(5), false},
		{"other", json.Number("1.50"), 1.5, true},
	} {
		require.Equal(t, c.want, m.Same(c.column, c.a, c.b), "%s: %v and %v", c.column, c.a, c.b)
	}
}
