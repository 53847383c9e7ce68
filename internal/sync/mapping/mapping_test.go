package mapping_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/headgate/headgate/internal/record"
	"github.com/headgate/headgate/internal/sync/mapping"
	"github.com/headgate/headgate/internal/sync/source"
)

func rowOf(m map[string]any) source.Row {
	names := slices.Sorted(maps.Keys(m))
	r := source.Row{Columns: source.NewColumns(names)}
	for _, n := range names {
		r.Values = append(r.Values, m[n])
	}
	return r
}

func parse(t testing.TB, def string) *mapping.Type {
	t.Helper()
	var typ mapping.Type
	require.NoError(t, json.Unmarshal([]byte(def), &typ))
	return &typ
}

func compile(t testing.TB, datatype, def string) *mapping.Mapper {
	t.Helper()
	m, faults := mapping.New(datatype, parse(t, def), source.Spec{})
	require.Empty(t, faults)
	return m
}

// one maps a row with the column x through the definition of the field f. It returns the
// record's data or the reject.
func one(t testing.TB, field string, v any) (string, *source.Reject) {
	t.Helper()
	m := compile(t, "thing", `{"fields":{"f":{`+field+`}}}`)
	out, reject := m.Map(rowOf(map[string]any{"id": "1", "x": v, "deep": map[string]any{"er": map[string]any{"x": v}}}))
	return string(out.Data), reject
}

func TestConversions(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 29, 2, 30, 0, 0, time.FixedZone("", 3600))
	for _, c := range []struct {
		field string
		in    any
		want  string // the data, or the reason of the reject
	}{
		{`"from":"x"`, "text", `{"f":"text"}`},
		{`"from":"x"`, int64(5), `{"f":5}`},
		{`"from":"x"`, nil, `{}`},
		{`"from":"x"`, "", `{"f":""}`},
		{`"from":"x","required":true`, "", "is required"},
		{`"from":"x","required":true`, nil, "is required"},
		{`"from":"none","required":true`, "v", "is required"},
		{`"from":"deep.er.x"`, int64(7), `{"f":7}`},
		{`"from":"deep.none.x"`, int64(7), `{}`},
		{`"from":"x","type":"string"`, int64(5), `{"f":"5"}`},
		{`"from":"x","type":"string"`, 1.50, `{"f":"1.5"}`},
		{`"from":"x","type":"string"`, "", `{"f":""}`},
		{`"from":"x","type":"string"`, []any{}, "is not text"},
		{`"from":"x","type":"string"`, "\xff", "is not UTF-8"},
		{`"from":"x","type":"number"`, " 8.750 ", `{"f":8.75}`},
		{`"from":"x","type":"number"`, "12345678901234567890.25", `{"f":12345678901234567890.25}`},
		{`"from":"x","type":"number"`, "9819815896308.032", `{"f":9819815896308.032}`}, // 16 digits; a float64 keeps 15 for certain
		{`"from":"x","type":"number"`, "1e3", `{"f":1000}`},
		{`"from":"x","type":"number"`, "", `{}`},
		{`"from":"x","type":"number"`, "high", `"high" is not a number`},
		{`"from":"x","type":"number"`, "NaN", `is not a number`},
		{`"from":"x","type":"number"`, "0x10", `is not a number`},
		{`"from":"x","type":"number"`, "1_000", `is not a number`},
		{`"from":"x","type":"number"`, "1e999", `is not a number`},
		{`"from":"x","type":"number"`, true, `true is not a number`},
		{`"from":"x","type":"integer"`, "8.0", `{"f":8}`},
		{`"from":"x","type":"integer"`, json.Number("9007199254740993"), `{"f":9007199254740993}`},
		{`"from":"x","type":"integer"`, "8.5", `is not an integer`},
		{`"from":"x","type":"bool"`, "Yes", `{"f":true}`},
		{`"from":"x","type":"bool"`, int64(0), `{"f":false}`},
		{`"from":"x","type":"bool"`, "maybe", `neither true nor false`},
		{`"from":"x","type":"bool"`, int64(2), `neither true nor false`},
		{`"from":"x","type":"json"`, `{"b":1,"a":[2.0]}`, `{"f":{"a":[2],"b":1}}`},
		{`"from":"x","type":"json"`, `{"b":`, `is not JSON`},
		{`"from":"x","type":"time"`, at, `{"f":"2026-03-29T01:30:00Z"}`},
		{`"from":"x","type":"time"`, "2026-03-29T02:30:00+01:00", `{"f":"2026-03-29T01:30:00Z"}`},
		{`"from":"x","type":"time"`, "2026-03-29 02:30:00", `{"f":"2026-03-29T02:30:00Z"}`},
		{`"from":"x","type":"time","zone":"Asia/Kolkata"`, "2026-03-29 02:30:00", `{"f":"2026-03-28T21:00:00Z"}`},
		{`"from":"x","type":"time","format":"02/01/2006","zone":"America/New_York"`, "05/01/2026", `{"f":"2026-01-05T05:00:00Z"}`},
		{`"from":"x","type":"time","format":"2006/01/02"`, "2026/13/05", `is not a time of the format`},
		{`"from":"x","type":"time","format":"unix"`, int64(1767571200), `{"f":"2026-01-05T00:00:00Z"}`},
		{`"from":"x","type":"time","format":"unixms"`, "1767571200500", `{"f":"2026-01-05T00:00:00.5Z"}`},
		{`"from":"x","type":"time","format":"unix"`, int64(1e18), `years 0 to 9999`},
		{`"from":"x","type":"time"`, time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), `years 0 to 9999`},
		{`"from":"x","type":"time"`, "9999-12-31T23:59:59-05:00", `years 0 to 9999`}, // the year 10000 in UTC
		{`"from":"x","type":"time"`, "0000-01-01T00:00:00+05:00", `years 0 to 9999`},
		{`"from":"x","type":"time","format":"2006-01-02 15:04 MST"`, "2026-01-05 02:30 CEST", `names a zone that UTC does not have`},
		{`"from":"x","type":"time","format":"2006-01-02 15:04 MST","zone":"Europe/Berlin"`, "2026-07-05 02:30 CEST", `{"f":"2026-07-05T00:30:00Z"}`},
		{`"from":"x","type":"time","format":"2006-01-02 15:04 MST","zone":"Europe/Berlin"`, "2026-07-05 02:30 UTC", `{"f":"2026-07-05T02:30:00Z"}`},
		{`"from":"x","type":"time","format":"2006-01-02 15:04 MST"`, "2026-01-05 02:30 GMT", `{"f":"2026-01-05T02:30:00Z"}`},
		{`"from":"x","type":"time","format":"2006-01-02 15:04 MST"`, "2026-01-05 02:30 GMT+2", `names a zone`},
		{`"from":"x","type":"time","format":"2006-01-02 15:04 -0700 MST"`, "2026-01-05 02:30 +0000 WET", `{"f":"2026-01-05T02:30:00Z"}`},
		{`"from":"x","type":"time"`, int64(5), `set format to unix or unixms`},
		{`"const":{"b":1,"a":2}`, nil, `{"f":{"a":2,"b":1}}`},
		{`"cel":"row.x + '!'"`, "a", `{"f":"a!"}`},
		{`"cel":"row.x * 2.0","type":"integer"`, 4.0, `{"f":8}`},
		{`"cel":"double(row.x) / 0.0","type":"number"`, 4.0, `is not finite`},
		{`"cel":"uint(row.x)","type":"integer"`, int64(5), `{"f":5}`},
		{`"cel":"uint(row.x)","type":"number"`, int64(5), `{"f":5}`},
		{`"cel":"uint(row.x) == 1u ? 1u : 0u","type":"bool"`, int64(1), `{"f":true}`},
		{`"cel":"18446744073709551615u","type":"number"`, nil, `{"f":18446744073709551615}`},
		{`"cel":"18446744073709551615u"`, nil, `{"f":18446744073709551615}`},
		{`"cel":"row.nothing"`, "a", `the expression fails: no such key: nothing`},
		{`"cel":"{'k': [row.x, 1]}"`, "a", `{"f":{"k":["a",1]}}`},
		{`"cel":"timestamp('2026-01-05T00:00:00Z')","type":"time"`, nil, `{"f":"2026-01-05T00:00:00Z"}`},
		{`"cel":"b'x'"`, nil, `gives bytes`},
	} {
		got, reject := one(t, c.field, c.in)
		if reject == nil {
			require.Equal(t, c.want, got, "%s of %v", c.field, c.in)
			continue
		}
		require.Contains(t, reject.Reason, c.want, "%s of %v", c.field, c.in)
		require.Equal(t, "f", reject.Field, "the reject names the field")
		require.Equal(t, "1", reject.Key)
		require.NotNil(t, reject.Raw)
	}
}

// A local time that does not exist, or exists twice, is accepted and always read as the
// same instant.
func TestDaylightSaving(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"2026-03-29 02:30:00", "2026-10-25 02:30:00"} {
		first, reject := one(t, `"from":"x","type":"time","zone":"Europe/Berlin"`, text)
		require.Nil(t, reject)
		again, _ := one(t, `"from":"x","type":"time","zone":"Europe/Berlin"`, text)
		require.Equal(t, first, again)
	}
}

func TestRunawayExpressionsAreStopped(t *testing.T) {
	t.Parallel()
	began := time.Now()
	_, reject := one(t, `"cel":"[1,2,3,4,5,6,7,8,9,10].all(a, [1,2,3,4,5,6,7,8,9,10].all(b, [1,2,3,4,5,6,7,8,9,10].all(c, [1,2,3,4,5,6,7,8,9,10].all(d, [1,2,3,4,5,6,7,8,9,10].all(e, [1,2,3,4,5,6,7,8,9,10].all(f, a+b+c+d+e+f > 0))))))"`, "a")
	require.NotNil(t, reject)
	require.Contains(t, reject.Reason, "cost")
	require.Less(t, time.Since(began), 10*time.Second)
}

func TestKeys(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		def  string
		row  map[string]any
		want string // the key, or the reason
	}{
		{`{}`, map[string]any{"id": int64(7)}, "7"},
		{`{}`, map[string]any{"id": json.Number("7")}, "7"},
		{`{}`, map[string]any{"id": "a.b%c"}, "a.b%c"},
		{`{"key":["a","b"]}`, map[string]any{"a": "x.y", "b": "100%"}, "x%2Ey.100%25"},
		{`{"key":["a"]}`, map[string]any{"a": time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)}, "2026-01-05T00:00:00Z"},
		{`{}`, map[string]any{"id": nil}, "the key is empty"},
		{`{}`, map[string]any{"id": ""}, "the key is empty"},
		{`{}`, map[string]any{"name": "x"}, "the key is empty"},
		{`{}`, map[string]any{"id": strings.Repeat("x", 1001)}, "longer than 1000 bytes"},
		{`{}`, map[string]any{"id": "\xff"}, "is not UTF-8"},
		{`{}`, map[string]any{"id": []any{}}, "the key"},
	} {
		out, reject := compile(t, "thing", c.def).Map(rowOf(c.row))
		if reject != nil {
			require.Contains(t, reject.Reason, c.want)
			continue
		}
		require.Equal(t, c.want, out.Key)
	}
	m := compile(t, "reading", `{}`)
	require.Equal(t, []string{"resourceId", "timeseries", "datetime"}, m.Spec().Key, "OurWater's identity of a reading")
}

func TestKeysAreInjective(t *testing.T) {
	t.Parallel()
	part := rapid.StringMatching(`[a.%2E5]{1,4}`)
	rapid.Check(t, func(t *rapid.T) {
		a := []any{part.Draw(t, "a1"), part.Draw(t, "a2")}
		b := []any{part.Draw(t, "b1"), part.Draw(t, "b2")}
		ka, err := mapping.JoinKey(a)
		require.NoError(t, err)
		kb, err := mapping.JoinKey(b)
		require.NoError(t, err)
		require.Equal(t, a[0] == b[0] && a[1] == b[1], ka == kb, "%q %q", ka, kb)
		m, faults := mapping.New("thing", &mapping.Type{Key: []string{"x", "y"}}, source.Spec{})
		require.Empty(t, faults)
		require.Equal(t, a, m.Unkey(ka))
	})
}

func TestDeletionTimeAndExternalIDs(t *testing.T) {
	t.Parallel()
	m := compile(t, "thing", `{"cursor":{"time":"at"},"delete":{"field":"gone","equals":true},"externalIds":{"legacy":"old"},"fields":{"n":{"from":"n"}}}`)
	require.Equal(t, 5*time.Minute, m.Spec().Overlap)
	out, reject := m.Map(rowOf(map[string]any{"id": "1", "n": int64(1), "at": "2026-01-05T00:00:00Z", "gone": "false", "old": int64(9)}))
	require.Nil(t, reject)
	require.False(t, out.Deleted)
	require.Equal(t, map[string]string{"legacy": "9"}, out.ExternalIDs)
	require.Equal(t, 2026, out.Time.Year())
	for _, gone := range []any{true, "true", "1", int64(1)} {
		out, reject = m.Map(rowOf(map[string]any{"id": "1", "gone": gone}))
		require.Nil(t, reject, "a row that is gone needs no fields")
		require.True(t, out.Deleted, "%v", gone)
	}
	m = compile(t, "thing", `{"cursor":{"time":"at","overlap":"0s","margin":"0s"}}`)
	require.Zero(t, m.Spec().Overlap, "an explicit 0s is not replaced by the default")
	require.Zero(t, m.Spec().Margin)
	m = compile(t, "thing", `{"delete":{"field":"state","equals":"removed"}}`)
	out, _ = m.Map(rowOf(map[string]any{"id": "1", "state": "removed"}))
	require.True(t, out.Deleted)
	out, _ = m.Map(rowOf(map[string]any{"id": "1", "state": "true"}))
	require.False(t, out.Deleted)
}

// Text that a record cannot hold rejects its row, also as a name: two names would become one.
func TestTextThatIsNoText(t *testing.T) {
	t.Parallel()
	for _, def := range []*mapping.Type{nil, {Fields: map[string]mapping.Field{"a": {From: "a", Type: "json"}, "b": {From: "b", Type: "string"}, "c": {CEL: "row.c"}}}} {
		m, faults := mapping.New("x", def, source.Spec{})
		require.Empty(t, faults)
		for _, bad := range []map[string]any{
			{"a": map[string]any{"x": "\xff"}}, {"a": []any{"\xed\xa0\xbd"}}, {"b": "\xff"}, {"c": "\xff"}, {"id": "\xff"},
		} {
			row := map[string]any{"id": "1", "c": ""}
			maps.Copy(row, bad)
			_, reject := m.Map(source.RowOf(row))
			require.NotNil(t, reject, bad)
			require.Contains(t, reject.Reason, "UTF-8", bad)
		}
		_, reject := m.Map(source.RowOf(map[string]any{"id": "1", "c": "", "\xff": 1, "\xfe": 2}))
		require.Equal(t, def == nil, reject != nil, "a mapping with fields does not read those columns")
	}
}

// The columns of the key are not among those that tell a file of the mapping from another.
func TestMappedColumns(t *testing.T) {
	t.Parallel()
	m, faults := mapping.New("x", &mapping.Type{Key: []string{"id"}, Fields: map[string]mapping.Field{
		"id": {From: "id"}, "name": {From: "owner.name"}, "depth": {From: "depth"}, "sum": {CEL: "row.a + row.b"}, "kind": {Const: []byte("1")},
	}}, source.Spec{})
	require.Empty(t, faults)
	require.Equal(t, []string{"depth", "owner.name"}, m.Spec().Mapped)
}

func TestFaultsOfAMapping(t *testing.T) {
	t.Parallel()
	for def, want := range map[string]string{
		`{"key":[""]}`:      "key[0]: must name a column",
		`{"key":["a","a"]}`: `key[1]: "a" is there twice`,
		`{"cursor":{}}`:     "cursor.time: is required",
		`{"cursor":{"time":"t","overlap":"soon"}}`:                                               "cursor.overlap: must be a duration",
		`{"cursor":{"time":"t","margin":"-1s"}}`:                                                 "cursor.margin: must be a duration",
		`{"delete":{}}`:                                                                          "delete: must have field and equals, or missing",
		`{"delete":{"field":"x","missing":true}}`:                                                "delete.missing: cannot be used together with field",
		`{"cursor":{"time":"t"},"delete":{"missing":true}}`:                                      "delete.missing: cannot be used with a cursor",
		`{"fields":{"f":{}}}`:                                                                    "fields.f: must have one of from, const and cel",
		`{"fields":{"f":{"const":null}}}`:                                                        "fields.f: must have one of from, const and cel", // null is no constant
		`{"fields":{"f":{"from":"x","cel":"1"}}}`:                                                "fields.f: must have one of",
		`{"fields":{"f":{"from":"x","type":"time","format":"DD.MM.YYYY HH:mm"}}}`:                `fields.f.format: no part of "DD.MM.YYYY HH:mm" is read as a year: write how 2 January 2006 15:04:05 looks`,
		`{"fields":{"f":{"from":"x","type":"time","format":"%Y-%m-%d"}}}`:                        `fields.f.format: no part of "%Y-%m-%d" is read as a year`,
		`{"fields":{"f":{"from":"x","type":"time","format":"Mon 2 Jan 15:04"}}}`:                 `fields.f.format: no part of "Mon 2 Jan 15:04" is read as a year`,
		`{"fields":{"f":{"from":"x","type":"time","format":"2006","formats":["06","iso8601"]}}}`: `fields.f.formats[1]: no part of "iso8601" is read as a year`,
		`{"fields":{"f":{"from":"x","type":"money"}}}`:                                           `fields.f.type: "money" is none of`,
		`{"fields":{"f":{"from":"x","format":"unix"}}}`:                                          "fields.f.format: can only be used with the type time",
		`{"fields":{"f":{"from":"x","type":"time","zone":"Mars"}}}`:                              `fields.f.zone: "Mars" is not the name`,
		`{"fields":{"f":{"cel":"row."}}}`:                                                        "fields.f.cel: ",
		`{"fields":{"f":{"cel":"now()"}}}`:                                                       "fields.f.cel: ",
		`{"externalIds":{"a":""}}`:                                                               "externalIds.a: must name a column",
	} {
		_, faults := mapping.New("thing", parse(t, def), source.Spec{})
		require.NotEmpty(t, faults, def)
		require.Contains(t, faults[0].String(), want, def)
	}
	_, faults := mapping.New("thing", parse(t, `{"key":[""],"cursor":{},"fields":{"f":{}}}`), source.Spec{})
	require.Len(t, faults, 3, "all at once")
}

// A row that is mapped and mapped back maps to the same record again.
func TestThereAndBack(t *testing.T) {
	t.Parallel()
	m := compile(t, "thing", `{"fields":{
		"s":{"from":"a","type":"string"},"n":{"from":"b","type":"number"},"i":{"from":"c","type":"integer"},"o":{"from":"d","type":"bool"},
		"t":{"from":"e","type":"time","format":"unixms"},"d":{"from":"f","type":"time","format":"2006-01-02 15:04:05","zone":"Asia/Kolkata"},
		"j":{"from":"g"},"k":{"const":1}}}`)
	rapid.Check(t, func(t *rapid.T) {
		row := map[string]any{"id": "1"}
		set := func(name string, v any) {
			if rapid.Bool().Draw(t, "has "+name) {
				row[name] = v
			}
		}
		set("a", rapid.String().Draw(t, "a"))
		set("b", float64(rapid.Int32().Draw(t, "b"))/8)
		set("c", rapid.Int64().Draw(t, "c"))
		set("d", rapid.Bool().Draw(t, "d"))
		at := time.UnixMilli(rapid.Int64Range(0, 4e12).Draw(t, "e")).UTC()
		set("e", at.UnixMilli())
		set("f", at.Truncate(time.Second).In(time.FixedZone("", 19800)).Format(time.DateTime))
		set("g", map[string]any{"x": rapid.Int64().Draw(t, "g")})
		first, reject := m.Map(rowOf(row))
		require.Nil(t, reject)
		data, err := record.Decode(first.Data)
		require.NoError(t, err)
		back, reject := m.Unmap(data)
		require.Nil(t, reject)
		back["id"] = "1"
		second, reject := m.Map(rowOf(back))
		require.Nil(t, reject)
		require.Equal(t, string(first.Data), string(second.Data))
	})
}

// Map turns any row into a record or a reject, and never panics.
func FuzzMap(f *testing.F) {
	f.Add([]byte(`{"id":"1","a":"x","b":1.5,"c":"2026-01-05","d":[{}],"e":"{}"}`))
	f.Add([]byte(`{"id":{"x":1},"b":"1e400","c":-1}`))
	m := compile(f, "thing", `{"delete":{"field":"gone"},"cursor":{"time":"c"},"fields":{
		"a":{"from":"a","type":"string"},"b":{"from":"b","type":"number"},"c":{"from":"c","type":"time"},"d":{"from":"d"},
		"e":{"from":"e","type":"json"},"i":{"from":"b","type":"integer"},"x":{"cel":"string(row.a).upperAscii()"}}}`)
	f.Fuzz(func(t *testing.T, in []byte) {
		row, err := record.Decode(in)
		if err != nil {
			return
		}
		out, reject := m.Map(rowOf(row))
		if reject != nil {
			require.NotEmpty(t, reject.Reason)
			return
		}
		require.NotEmpty(t, out.Key)
		if out.Deleted {
			return
		}
		data, err := record.Decode(out.Data)
		require.NoError(t, err, "%s", out.Data)
		canonical, err := record.Canonical(data)
		require.NoError(t, err)
		require.Equal(t, string(canonical), string(out.Data), "data is canonical")
	})
}

func BenchmarkMap(b *testing.B) {
	m := compile(b, "reading", `{"key":["well","at"],"fields":{"resourceId":{"from":"well","type":"string"},
		"datetime":{"from":"at","type":"time","format":"2006-01-02"},"value":{"from":"value","type":"number","required":true}}}`)
	row := rowOf(map[string]any{"well": "1171000", "at": "2026-01-05", "value": "8.75"})
	b.ReportAllocs()
	for b.Loop() {
		if _, reject := m.Map(row); reject != nil {
			b.Fatal(reject)
		}
	}
}
