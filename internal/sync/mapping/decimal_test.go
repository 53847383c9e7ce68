package mapping_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/headgate/headgate/internal/sync/mapping"
	"github.com/headgate/headgate/internal/sync/source"
)

const decimals = `{"fields":{"c":{"from":"c","type":"number","decimal":","},"p":{"from":"p","type":"number","decimal":"."},
	"i":{"from":"i","type":"integer","decimal":","},"n":{"from":"n","type":"number"}}}`

func decimalMapper(t require.TestingT) *mapping.Mapper {
	var def mapping.Type
	require.NoError(t, json.Unmarshal([]byte(decimals), &def))
	m, faults := mapping.New("item", &def, source.Spec{Key: []string{"id"}})
	require.Empty(t, faults)
	return m
}

// A spreadsheet's numbers are read by their decimal sign. A text that uses the signs in
// another way is rejected: the number would be another one.
func TestDecimalSigns(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ column, text, want, rejected string }{
		{"c", "1,5", "1.5", ""}, {"c", "-0,25", "-0.25", ""}, {"c", "12", "12", ""}, {"c", " +1,50 ", "1.5", ""}, {"c", ",5", "0.5", ""},
		{"c", "2.345,75", "2345.75", ""}, {"c", "1.234.567", "1234567", ""}, {"c", "1\u00a0234,5", "1234.5", ""}, {"c", "1\u202f234,5", "1234.5", ""},
		{"c", "1'234'567,5", "1234567.5", ""}, {"c", "1,5e3", "1500", ""}, {"c", "123456789012345678,123", "123456789012345678.123", ""},
		{"c", "12.5", "", `"12.5" is not a number with "," as its decimal sign`}, {"c", "1.2345,5", "", "decimal sign"}, {"c", "1.234 567", "", "decimal sign"},
		{"c", "1,234,567", "", "decimal sign"}, {"c", "1,5.5", "", "decimal sign"}, {"c", ".234", "", "decimal sign"}, {"c", "abc", "", `"abc" is not a number`},
		{"p", "1,234.5", "1234.5", ""}, {"p", "1.5", "1.5", ""}, {"p", "1,5", "", "decimal sign"},
		{"i", "1.234", "1234", ""}, {"i", "12,0", "12", ""}, {"i", "12,5", "", "is not"},
		{"n", "1,5", "", `if the comma stands before the fraction, give the field "decimal": ","`},
	} {
		m := decimalMapper(t)
		got, reject := m.Map(source.RowOf(map[string]any{"id": "a", c.column: c.text}))
		if c.rejected != "" {
			require.NotNil(t, reject, "%+v", c)
			require.Contains(t, reject.Reason, c.rejected, "%+v", c)
			continue
		}
		require.Nil(t, reject, "%+v %+v", c, reject)
		require.Equal(t, `{"`+c.column+`":`+c.want+`}`, string(got.Data), "%+v", c)
	}
}

// What a push writes is read back as the same number, whether a pull has seen the column or
// not. A column that holds numbers gets numbers.
func TestDecimalSignsAreWritten(t *testing.T) {
	t.Parallel()
	m := decimalMapper(t)
	row, reject := m.Unmap(map[string]any{"c": 7.5, "p": 7.5, "i": int64(1234)})
	require.Nil(t, reject)
	require.Equal(t, []any{"7,5", "7.5", "1234"}, []any{row["c"], row["p"], row["i"]})
	_, reject = m.Map(source.RowOf(map[string]any{"id": "a", "c": 1.5}))
	require.Nil(t, reject)
	row, _ = m.Unmap(map[string]any{"c": 7.5})
	require.Equal(t, 7.5, row["c"])

	rapid.Check(t, func(t *rapid.T) {
		m := decimalMapper(t)
		v := rapid.Float64().Draw(t, "number")
		row, reject := m.Unmap(map[string]any{"c": v})
		require.Nil(t, reject)
		got, reject := m.Map(source.RowOf(map[string]any{"id": "a", "c": row["c"]}))
		require.Nil(t, reject, "%v", row["c"])
		var again struct{ C float64 }
		require.NoError(t, json.Unmarshal(got.Data, &again))
		require.Equal(t, v, again.C)
	})
}

func TestDecimalSignsAreChecked(t *testing.T) {
	t.Parallel()
	for _, field := range []string{`{"from":"x","type":"number","decimal":";"}`, `{"from":"x","decimal":","}`, `{"from":"x","type":"time","decimal":","}`} {
		var def mapping.Type
		require.NoError(t, json.Unmarshal([]byte(`{"fields":{"f":`+field+`}}`), &def))
		_, faults := mapping.New("item", &def, source.Spec{Key: []string{"id"}})
		require.Len(t, faults, 1, field)
		require.Equal(t, "fields.f.decimal", faults[0].Path)
	}
}
