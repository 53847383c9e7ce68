package sqlsource

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/sync/source"
)

// numericKeys lists the types of numbers that a key may have, with values in their order,
// among them the longest ones that the type has.
var numericKeys = map[string]map[string][]string{
	"postgres": {
		"smallint":         {"-32768", "0", "32767"},
		"bigint":           {"-9223372036854775808", "9223372036854775806", "9223372036854775807"},
		"numeric":          {"-" + strings.Repeat("9", 80), "0." + strings.Repeat("1", 80), strings.Repeat("9", 80)},
		"numeric(100,50)":  {strings.Repeat("9", 50) + ".1", strings.Repeat("9", 50) + ".2"},
		"real":             {"0.1", "16777216", "3e38"},
		"double precision": {"0.1", "0.30000000000000004", "1e300"},
	},
	"mysql": {
		"tinyint unsigned":        {"0", "254", "255"},
		"bigint":                  {"-9223372036854775808", "9223372036854775806", "9223372036854775807"},
		"bigint unsigned":         {"1", "18446744073709551614", "18446744073709551615"},
		"decimal(65,0)":           {"-" + strings.Repeat("9", 65), strings.Repeat("9", 64) + "8", strings.Repeat("9", 65)},
		"decimal(65,0) unsigned":  {"1", strings.Repeat("9", 64) + "8", strings.Repeat("9", 65)},
		"decimal(65,38)":          {"-" + strings.Repeat("9", 27) + ".5", "0." + strings.Repeat("1", 38), strings.Repeat("9", 27) + "." + strings.Repeat("9", 38)},
		"decimal(38,38)":          {"0." + strings.Repeat("0", 37) + "1", "0." + strings.Repeat("0", 37) + "2"},
		"float":                   {"0.1", "16777216", "3e38"},
		"double":                  {"0.1", "0.30000000000000004", "1e300"},
		"bit(64)":                 {"0", "2", "9223372036854775808", "18446744073709551615"},
		"decimal(40,10) zerofill": {"1.5", "123456789012345678901234567890.0000000001"},
	},
	"sqlite": {
		"integer": {"-9223372036854775808", "9223372036854775806", "9223372036854775807"},
		"real":    {"0.1", "0.30000000000000004", "1e300"},
		"decimal": {"1", "1.5", "9223372036854775807"},
	},
}

// Every number that a key can hold is a position to continue after: the pull has each row
// once, in every page size, and a push finds the row.
func TestNumericKeys(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, s server) {
		for typ, values := range numericKeys[s.name] {
			t.Run(typ, func(t *testing.T) {
				t.Parallel()
				p := newPlace(t, s)
				p.exec(t, "CREATE TABLE counted (n "+typ+" PRIMARY KEY, row_no integer, name varchar(20))")
				for i, v := range values {
					p.exec(t, "INSERT INTO counted VALUES ("+v+", "+string(rune('0'+i))+", 'x')")
				}
				src := p.Open(t)
				spec := source.Spec{Datatype: "counted", Key: []string{"n"}}
				var keys []any
				var resume json.RawMessage
				for range len(values) + 1 { // a source of its own reads each row
					r, err := p.Open(t).Pull(t.Context(), source.Pull{Spec: spec, PageSize: 1, Resume: resume})
					require.NoError(t, err)
					page, err := r.Next(t.Context())
					require.NoError(t, r.Close())
					if errors.Is(err, io.EOF) {
						break
					}
					require.NoError(t, err)
					row := page.Rows[0].Map()
					require.Equal(t, int64(len(keys)), row["row_no"])
					keys, resume = append(keys, row["n"]), page.Resume
				}
				require.Len(t, keys, len(values))
				for _, key := range keys {
					results, err := src.Push(t.Context(), spec, []source.Change{{
						Op: source.Update, Key: []any{key}, Changed: []string{"name"},
						Fields: map[string]any{"name": "y"}, Expect: map[string]any{"name": "x"},
					}})
					require.NoError(t, err)
					require.NoError(t, results[0].Err, "%v", key)
				}
			})
		}
	})
}
