package sqlsource

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/sync/source"
)

// typed is a column with its type, a stored value and the value that a pull returns.
type typed struct {
	typ, sql string
	want     any
}

func at(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		panic(err)
	}
	return t.UTC()
}

// local returns a time without a zone.
func local(s string) time.Time { return source.WithoutZone(at(s)) }

var types = map[string][]typed{
	"postgres": {
		{"smallint", "-32768", int64(-32768)},
		{"integer", "2147483647", int64(2147483647)},
		{"bigint", "9223372036854775807", int64(9223372036854775807)},
		{"numeric", "123456789012345678901234567890.123456789", json.Number("123456789012345678901234567890.123456789")},
		{"numeric(10,2)", "1.50", json.Number("1.50")},
		{"numeric", "'NaN'", "NaN"},
		{"real", "0.1", 0.1},
		{"double precision", "0.1", 0.1},
		{"double precision", "'NaN'", "NaN"},
		{"double precision", "'-infinity'", "-Infinity"},
		{"boolean", "true", true},
		{"text", "'日本'", "日本"},
		{"char(5)", "'ab'", "ab"},
		{"timestamptz", "'2024-02-29 12:34:56.123456+02'", at("2024-02-29T10:34:56.123456Z")},
		{"timestamptz", "'infinity'", "infinity"},
		{"timestamptz", "'1900-01-01 00:00:00.000001+00'", at("1900-01-01T00:00:00.000001Z")},
		{"timestamp", "'2024-02-29 12:34:56'", local("2024-02-29T12:34:56Z")},
		{"timestamp", "'0044-03-15 12:00:00 BC'", "0044-03-15 12:00:00 BC"},
		{"date", "'2024-02-29'", "2024-02-29"},
		{"time", "'12:34:56.5'", "12:34:56.5"},
		{"interval", "'1 day 2 hours'", "P1DT2H"},
		{"uuid", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"},
		{"jsonb", `'{"a": [1.10, "x", null], "b": 12345678901234567890}'`, map[string]any{"a": []any{json.Number("1.10"), "x", nil}, "b": json.Number("12345678901234567890")}},
		{"json", `'"text"'`, "text"},
		{"bytea", `'\x00ff10'`, "AP8Q"},
		{"inet", "'10.0.0.1/8'", "10.0.0.1/8"},
		{"integer[]", "'{1,NULL,3}'", []any{int64(1), nil, int64(3)}},
		{"text[]", `'{"a,b","c\"d",NULL,"NULL",""}'`, []any{"a,b", `c"d`, nil, "NULL", ""}},
		{"integer[][]", "'{{1,2},{3,4},{5,6}}'", []any{[]any{int64(1), int64(2)}, []any{int64(3), int64(4)}, []any{int64(5), int64(6)}}},
		{"integer[]", "'{}'", []any{}},
		{"timestamptz[]", "'{2024-02-29 12:00:00+00}'", []any{at("2024-02-29T12:00:00Z")}},
		{"numeric[]", "'{1.10}'", []any{json.Number("1.10")}},
		{"boolean[]", "'{t,f}'", []any{true, false}},
		{"int4range", "'[1,5)'", "[1,5)"},
		{"text", "NULL", nil},
	},
	"mysql": {
		{"tinyint", "-128", int64(-128)},
		{"bigint", "9223372036854775807", int64(9223372036854775807)},
		{"bigint unsigned", "18446744073709551615", json.Number("18446744073709551615")},
		{"decimal(40,10)", "123456789012345678901234567890.1234567890", json.Number("123456789012345678901234567890.1234567890")},
		{"float", "0.1", 0.1},
		{"double", "0.1", 0.1},
		{"boolean", "true", int64(1)},
		{"bit(1)", "b'1'", true},
		{"bit(8)", "b'1'", int64(1)},
		{"bit(8)", "b'0'", int64(0)},
		{"bit(8)", "b'11111111'", int64(255)},
		{"bit(64)", "b'1000000000000000000000000000000000000000000000000000000000000001'", json.Number("9223372036854775809")},
		{"bit(12)", "b'101010101010'", int64(2730)},
		{"varchar(20)", "'日本'", "日本"},
		{"varchar(20) character set latin1", "'größe'", "größe"},
		{"datetime", "'2024-02-29 12:34:56'", local("2024-02-29T12:34:56Z")},
		{"datetime(6)", "'2024-02-29 12:34:56.123456'", local("2024-02-29T12:34:56.123456Z")},
		{"timestamp(3) NULL", "'2024-02-29 12:34:56.120'", at("2024-02-29T12:34:56.120Z")},
		{"date", "'2024-02-29'", "2024-02-29"},
		{"time", "'-12:34:56'", "-12:34:56"},
		{"year", "2024", int64(2024)},
		{"enum('a','b')", "'b'", "b"},
		{"set('a','b')", "'a,b'", "a,b"},
		{"blob", "x'00ff10'", "AP8Q"},
		{"varbinary(10)", "x'00ff10'", "AP8Q"},
		{"json", `'{"a": 1.10}'`, `{"a": 1.10}`}, // MariaDB stores JSON as text
		{"text", "NULL", nil},
	},
	"sqlite": {
		{"integer", "9223372036854775807", int64(9223372036854775807)},
		{"real", "0.1", 0.1},
		{"real", "9e999", "Infinity"},
		{"boolean", "1", true},
		{"boolean", "'maybe'", "maybe"},
		{"text", "'日本'", "日本"},
		{"text", "'2024-02-29 12:34:56'", "2024-02-29 12:34:56"},
		{"datetime", "'2024-02-29 12:34:56.5'", local("2024-02-29T12:34:56.5Z")},
		{"datetime", "'2024-02-29T12:34:56+02:00'", at("2024-02-29T10:34:56Z")},
		{"datetime", "1709210096", at("2024-02-29T12:34:56Z")},
		{"date", "'2024-02-29'", "2024-02-29"},
		{"integer", "'not a number'", "not a number"},
		{"decimal(10,2)", "1.5", 1.5},
		{"json", `'{"a": 1.10}'`, `{"a": 1.10}`},
		{"blob", "x'00ff10'", "AP8Q"},
		{"", "'anything'", "anything"},
		{"text", "NULL", nil},
	},
}

// TestTypes pulls a row with every type and pushes the values to another row. The two rows
// must be the same.
func TestTypes(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, s server) {
		p := newPlace(t, s)
		names, values := []string{"id varchar(20) PRIMARY KEY"}, []string{"'first'"}
		want := map[string]any{"id": "first"}
		for i, c := range types[s.name] {
			name := "c" + string(rune('a'+i/26)) + string(rune('a'+i%26))
			names, values = append(names, name+" "+c.typ), append(values, c.sql)
			want[name] = c.want
		}
		p.exec(t, "CREATE TABLE typed ("+strings.Join(names, ", ")+")")
		p.exec(t, "INSERT INTO typed VALUES ("+strings.Join(values, ", ")+")")
		spec := source.Spec{Datatype: "typed", Key: []string{"id"}}
		src := p.Open(t)
		got := pullAll(t, src, source.Pull{Spec: spec, PageSize: 5})
		require.Empty(t, got.rejects)
		require.Equal(t, want, got.rows[0])

		copied := map[string]any{}
		for name, v := range got.rows[0] {
			if name != "id" {
				copied[name] = v
			}
		}
		create := source.Change{Op: source.Create, Key: []any{"second"}, Fields: copied}
		same := source.Change{Op: source.Delete, Key: []any{"first"}, Expect: copied}
		moved := source.Change{Op: source.Delete, Key: []any{"second"}, Expect: map[string]any{"id": "third"}}
		for _, c := range []source.Change{create, create, moved} {
			results, err := src.Push(t.Context(), spec, []source.Change{c})
			require.NoError(t, err)
			if c.Op == source.Create {
				require.NoError(t, results[0].Err)
			} else {
				require.ErrorIs(t, results[0].Err, source.ErrMoved)
			}
		}
		got = pullAll(t, src, source.Pull{Spec: spec, PageSize: 5})
		require.Len(t, got.rows, 2)
		want["id"] = "second"
		require.Equal(t, want, got.rows[1])
		for name, v := range copied { // one by one, so that a failure names the column
			c := same
			c.Op, c.Expect, c.Changed = source.Update, map[string]any{name: v}, []string{name}
			c.Fields = map[string]any{name: v}
			results, err := src.Push(t.Context(), spec, []source.Change{c})
			require.NoError(t, err, name)
			require.NoError(t, results[0].Err, "%s: %v differs from the stored value", name, v)
		}
		results, err := src.Push(t.Context(), spec, []source.Change{same})
		require.NoError(t, err)
		require.NoError(t, results[0].Err)
		require.Len(t, pullAll(t, src, source.Pull{Spec: spec, PageSize: 5}).rows, 1)
	})
}

// TestStoredValues pushes values with the types that the store keeps, which are JSON's.
func TestStoredValues(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, s server) {
		p := newReadings(t, s, true, false)
		fields := map[string]any{"name": "x", "value": json.Number("1.25"), "updated_at": "2024-02-29T12:34:56+02:00", "deleted": true}
		src := p.Open(t)
		push := func(c source.Change) {
			t.Helper()
			results, err := src.Push(t.Context(), p.spec, []source.Change{c})
			require.NoError(t, err)
			require.NoError(t, results[0].Err)
		}
		push(source.Change{Op: source.Create, Key: []any{"a"}, Fields: fields})
		row := pullAll(t, src, source.Pull{Spec: p.spec, PageSize: 5}).rows[0]
		require.True(t, at("2024-02-29T10:34:56Z").Equal(row["updated_at"].(time.Time)))
		require.InDelta(t, 1.25, row["value"], 0)
		push(source.Change{
			Op: source.Update, Key: []any{"a"}, Fields: map[string]any{"updated_at": "2024-03-01T00:00:00Z"},
			Changed: []string{"updated_at"}, Expect: map[string]any{"updated_at": "2024-02-29T10:34:56Z"},
		})
		push(source.Change{Op: source.Delete, Key: []any{"a"}, Expect: map[string]any{"value": 1.25, "deleted": true, "updated_at": "2024-03-01T01:00:00+01:00"}})
		require.Empty(t, pullAll(t, src, source.Pull{Spec: p.spec, PageSize: 5}).rows)
	})
}
