package record_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/headgate/headgate/internal/record"
)

// anyJSON draws a value of any shape, with the types that Decode returns.
func anyJSON(depth int) *rapid.Generator[any] {
	leaves := []*rapid.Generator[any]{
		rapid.Just[any](nil), rapid.Bool().AsAny(), rapid.Int64().AsAny(), rapid.Float64().AsAny(), rapid.String().AsAny(),
		rapid.Custom(func(t *rapid.T) any { return json.Number(numberText(t, "number")) }),
	}
	if depth > 0 {
		inner := anyJSON(depth - 1)
		leaves = append(leaves, rapid.SliceOfN(inner, 0, 4).AsAny(), rapid.MapOfN(rapid.String(), inner, 0, 4).AsAny())
	}
	return rapid.OneOf(leaves...)
}

func TestCanonicalIsStable(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		data := rapid.MapOfN(rapid.String(), anyJSON(3), 0, 5).Draw(t, "data")
		first := canonical(t, data)
		require.True(t, json.Valid([]byte(first)))
		require.Equal(t, first, canonical(t, json.RawMessage(first)), "raw text")
		again, err := record.Decode([]byte(first))
		require.NoError(t, err)
		require.Equal(t, first, canonical(t, again))
		require.Empty(t, record.Diff(data, again, nil))

		indented, err := json.MarshalIndent(json.RawMessage(first), " ", "\t")
		require.NoError(t, err)
		require.Equal(t, first, canonical(t, json.RawMessage(indented)), "spaces do not matter")

		var mine, theirs any
		require.NoError(t, json.Unmarshal([]byte(first), &mine))
		escaped, err := json.Marshal(json.RawMessage(first)) // the same text with other escapes
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(escaped, &theirs))
		require.Equal(t, theirs, mine)
	})
}

func TestMembersAreInOrder(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`{"b":1,"B":2,"a":3,"":4,"aa":5}`:       `{"":4,"B":2,"a":3,"aa":5,"b":1}`,
		`{"10":1,"9":2,"1":3}`:                  `{"1":3,"10":1,"9":2}`,
		`{"é":1,"e":2,"z":3,"😀":4,"\uffff":5}`:  "{\"e\":2,\"z\":3,\"é\":1,\"\uffff\":5,\"😀\":4}", // sorted by UTF-8 bytes
		`{"a\u0000":1,"a":2,"\n":3}`:            `{"\n":3,"a":2,"a\u0000":1}`,
		`[{"b":[{"d":1,"c":2}],"a":{}},[],"x"]`: `[{"a":{},"b":[{"c":2,"d":1}]},[],"x"]`,
		`{"a":1,"a":2}`:                         `{"a":2}`, // the last one wins, as in encoding/json
	} {
		require.Equal(t, want, canonical(t, json.RawMessage(in)), in)
	}
}

func TestCharactersRoundTrip(t *testing.T) {
	t.Parallel()
	var all strings.Builder
	for r := range rune(0x250) {
		all.WriteRune(r)
	}
	all.WriteString("\u2028\u2029\ufeff\ufffd\U0010ffff</script>")
	text := canonical(t, all.String())
	var back string
	require.NoError(t, json.Unmarshal([]byte(text), &back))
	require.Equal(t, all.String(), back)
	for r := range rune(0x20) {
		require.NotContains(t, text, string(r))
	}
	require.Contains(t, text, `</script>`)
}

func TestDecodeErrors(t *testing.T) {
	t.Parallel()
	for in, says := range map[string]string{
		``:                       "EOF",
		`{`:                      "EOF",
		`[]`:                     "not a JSON object",
		`null`:                   "not a JSON object",
		`1`:                      "not a JSON object",
		`{} {}`:                  "more than one JSON value",
		`{}x`:                    "more than one JSON value",
		`{"a":01}`:               "invalid character",
		strings.Repeat("[", 1e5): "depth",
	} {
		_, err := record.Decode([]byte(in))
		require.ErrorContains(t, err, says, "%.20q", in)
	}
	data, err := record.Decode([]byte(` {"a":[1,2.5,{"b":12345678901234567890}],"c":1e2} ` + "\n"))
	require.NoError(t, err)
	require.Equal(t, map[string]any{
		"a": []any{int64(1), 2.5, map[string]any{"b": json.Number("12345678901234567890")}}, "c": 100.0,
	}, data)
}

func TestNestedValuesWithoutJSON(t *testing.T) {
	t.Parallel()
	for _, bad := range []any{"\xff", struct{}{}, json.Number("x"), json.RawMessage(`{`)} {
		for _, v := range []any{bad, []any{1, bad}, map[string]any{"a": []any{map[string]any{"b": bad}}}} {
			b, err := record.AppendCanonical([]byte("before"), v)
			require.Error(t, err, "%T", bad)
			require.Nil(t, b)
		}
	}
}

func TestCanonical(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`{"b":1,"a":[true,null]}`:       `{"a":[true,null],"b":1}`,
		`1.0`:                           `1`,
		`1e2`:                           `100`,
		`-0`:                            `0`,
		`0.10`:                          `0.1`,
		`12345678901234567890.5`:        `12345678901234567890.5`,
		`"\u00e9\u2028<&>\u0001\"\\\/"`: `"é` + "\u2028" + `<&>\u0001\"\\/"`,
		`{"z":{"y":1,"x":2}}`:           `{"z":{"x":2,"y":1}}`,
		`{}`:                            `{}`,
	} {
		got, err := record.Canonical(json.RawMessage(in))
		require.NoError(t, err, in)
		require.Equal(t, want, string(got), in)
	}
	for _, bad := range []any{math.NaN(), math.Inf(1), "\xff", map[string]any{"\xff": 1}, json.RawMessage(`{`), make(chan int)} {
		_, err := record.Canonical(bad)
		require.Error(t, err, "%v", bad)
	}
}

func FuzzCanonical(f *testing.F) {
	for _, s := range []string{`{"a":1.50,"b":[1e400,"\ud83d\ude00"]}`, `{"":null}`, `{"a":{"a":{}}}`, `{"n":-0.0e-5}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		data, err := record.Decode(in)
		if err != nil {
			return
		}
		first, err := record.Canonical(data)
		if err != nil {
			return
		}
		require.True(t, json.Valid(first), "%s", first)
		again, err := record.Decode(first)
		require.NoError(t, err)
		second, err := record.Canonical(again)
		require.NoError(t, err)
		require.Equal(t, string(first), string(second))
		require.Empty(t, record.Diff(data, again, nil))
	})
}

func BenchmarkCanonical(b *testing.B) {
	data := map[string]any{"resourceId": "1171000", "datetime": "2026-01-05T00:00:00Z", "value": 8.75, "coords": []any{1.5, 2.5}}
	var out []byte
	b.ReportAllocs()
	for b.Loop() {
		out, _ = record.AppendCanonical(out[:0], data)
	}
}
