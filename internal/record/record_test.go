package record_test

import (
	"encoding/json"
	"maps"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/headgate/headgate/internal/record"
)

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

// A number has one spelling, for each Go type that it may be decoded to.
func TestNumbersHaveOneSpelling(t *testing.T) {
	t.Parallel()
	for _, same := range [][]any{
		{1, int64(1), uint64(1), 1.0, json.Number("1"), json.Number("1.0"), json.Number("1e0"), json.Number("10e-1")},
		{0.1, json.Number("0.1"), json.Number("1e-1"), json.Number("0.100")},
		{1e21, json.Number("1e21"), json.Number("1000000000000000000000")},
		{math.Copysign(0, -1), 0, json.Number("-0.0")},
	} {
		first, err := record.Canonical(same[0])
		require.NoError(t, err)
		for _, v := range same {
			got, err := record.Canonical(v)
			require.NoError(t, err)
			require.Equal(t, string(first), string(got), "%T %v", v, v)
		}
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

// object draws a small object whose fields often coincide with those of others.
func object() *rapid.Generator[map[string]any] {
	return rapid.Custom(func(t *rapid.T) map[string]any {
		value := rapid.SampledFrom([]any{nil, true, "a", "b", int64(1), 2.5, []any{int64(1)}, map[string]any{"x": int64(1)}, map[string]any{"x": int64(2)}})
		return rapid.MapOfN(rapid.SampledFrom([]string{"p", "q", "r", "s"}), value, 0, 4).Draw(t, "object")
	})
}

func same(t require.TestingT, want, got map[string]any) {
	a, err := record.Canonical(want)
	require.NoError(t, err)
	b, err := record.Canonical(got)
	require.NoError(t, err)
	require.Equal(t, string(a), string(b))
}

func TestMergeProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		base, store, source := object().Draw(t, "base"), object().Draw(t, "store"), object().Draw(t, "source")
		before := [3]map[string]any{maps.Clone(base), maps.Clone(store), maps.Clone(source)}

		merged, conflicts := record.Merge(base, store, source, nil, record.Source)
		mirror, mirrored := record.Merge(base, source, store, nil, record.Store)
		same(t, merged, mirror) // the result does not depend on the names of the sides
		require.Len(t, mirrored, len(conflicts))

		ours, _ := record.Merge(base, store, source, nil, record.Store)
		held, _ := record.Merge(base, store, source, nil, record.Manual)
		same(t, ours, held)
		conflicting := map[string]bool{}
		for _, c := range conflicts {
			conflicting[c.Field] = true
		}
		for _, side := range []map[string]any{store, source} { // a change of one side alone is in every result
			other := source
			if &side == &source {
				other = store
			}
			for _, c := range record.Diff(base, side, nil) {
				if len(record.Diff(base, other, []string{c.Field})) > 0 {
					continue
				}
				require.False(t, conflicting[c.Field])
				require.Empty(t, record.Diff(side, merged, []string{c.Field}), c.Field)
				require.Empty(t, record.Diff(side, ours, []string{c.Field}), c.Field)
			}
		}
		for f := range conflicting {
			require.Empty(t, record.Diff(source, merged, []string{f}))
			require.Empty(t, record.Diff(store, ours, []string{f}))
		}
		// Merging a result again changes nothing.
		again, none := record.Merge(source, merged, source, nil, record.Source)
		same(t, merged, again)
		require.Empty(t, none)
		for i, m := range []map[string]any{base, store, source} {
			same(t, before[i], m)
		}
	})
}

func TestMergeOfSomeFields(t *testing.T) {
	t.Parallel()
	merged, conflicts := record.Merge(
		map[string]any{"a": 1, "b": 1}, map[string]any{"a": 1, "b": 1, "mine": 1}, map[string]any{"a": 2, "b": 2}, []string{"a"}, record.Source)
	require.Empty(t, conflicts)
	require.Equal(t, map[string]any{"a": 2, "b": 1, "mine": 1}, merged)
}

// The cases of RFC 7396, appendix A, in which the documents are objects.
func TestMergePatch(t *testing.T) {
	t.Parallel()
	for _, c := range [][3]string{
		{`{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`},
		{`{"a":"b"}`, `{"a":null}`, `{}`},
		{`{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`},
		{`{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"c"}`, `{"a":["b"]}`, `{"a":["b"]}`},
		{`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`},
		{`{"a":[{"b":"c"}]}`, `{"a":[1]}`, `{"a":[1]}`},
		{`{"e":null}`, `{"a":1}`, `{"a":1,"e":null}`},
		{`{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`},
	} {
		target, err := record.Decode([]byte(c[0]))
		require.NoError(t, err)
		patch, err := record.Decode([]byte(c[1]))
		require.NoError(t, err)
		got, err := record.Canonical(record.MergePatch(target, patch))
		require.NoError(t, err)
		require.Equal(t, c[2], string(got), c)
	}
}

func TestStoredForm(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		data, err := record.Canonical(object().Draw(t, "data"))
		require.NoError(t, err)
		r := &record.Record{
			ID: "id", Version: rapid.Int64Range(1, 1<<40).Draw(t, "version"), Data: data,
			UpdatedAt: time.UnixMicro(rapid.Int64Range(0, 1<<50).Draw(t, "time")).UTC(), Deleted: rapid.Bool().Draw(t, "deleted"),
		}
		if rapid.Bool().Draw(t, "external") {
			r.ExternalIDs = map[string]string{"a": rapid.String().Draw(t, "external id")}
		}
		for _, id := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"s1", "s2", "s3"}), 0, 3, rapid.ID).Draw(t, "syncs") {
			l := record.Link{Gone: rapid.Bool().Draw(t, "gone")}
			if rapid.Bool().Draw(t, "has a key") {
				l.Key = rapid.String().Draw(t, "key")
			}
			if rapid.Bool().Draw(t, "has a base") {
				l.Base = json.RawMessage(`{"x":1}`)
			}
			if rapid.Bool().Draw(t, "attempt") {
				l.Attempt = "attempt"
			}
			r.SetLink(id, l)
		}
		back, err := record.Parse("id", r.AppendJSON(nil))
		require.NoError(t, err)
		require.Equal(t, r, back)
	})
}

func TestLinks(t *testing.T) {
	t.Parallel()
	r := &record.Record{ID: "r", Data: []byte(`{"a":1}`), Version: 1}
	_, known := r.Link("s")
	require.False(t, known)
	r.SetLink("s", record.Link{Key: "r"})
	l, known := r.Link("s")
	require.True(t, known)
	require.Equal(t, "r", l.Key)
	require.Empty(t, r.Links["s"].Key, "a key that equals the id is not stored")

	r.SetLink("gone", record.Link{Gone: true})
	r.SetLink("tried", record.Link{Attempt: "x"})
	_, known = r.Link("tried")
	require.False(t, known, "the outcome of the creation is unknown")
	copied := r.Clone()
	r.Edit([]byte(`{"a":2}`), time.Unix(5, 0))
	require.Equal(t, int64(2), r.Version)
	require.JSONEq(t, `{"a":1}`, string(r.Links["s"].Base), "what both sides agreed on")
	require.JSONEq(t, `{"a":1}`, string(r.Links["tried"].Base), "what was sent")
	require.Nil(t, r.Links["gone"].Base)
	require.Nil(t, copied.Links["s"].Base, "a clone has its own links")
	r.Edit([]byte(`{"a":3}`), time.Unix(6, 0))
	require.JSONEq(t, `{"a":1}`, string(r.Links["s"].Base), "the base stays what it was")
	r.Delete(time.Unix(7, 0))
	require.True(t, r.Deleted)
	require.Equal(t, int64(4), r.Version)
	require.JSONEq(t, `{"a":3}`, string(r.Data))
}

func BenchmarkMerge(b *testing.B) {
	base := map[string]any{"a": "x", "b": 1.5, "c": int64(3), "d": "y"}
	store, source := maps.Clone(base), maps.Clone(base)
	store["a"], source["b"] = "z", 2.5
	b.ReportAllocs()
	for b.Loop() {
		record.Merge(base, store, source, nil, record.Source)
	}
}

func BenchmarkCanonical(b *testing.B) {
	data := map[string]any{"resourceId": "1171000", "datetime": "2026-01-05T00:00:00Z", "value": 8.75, "coords": []any{1.5, 2.5}}
	var out []byte
	b.ReportAllocs()
	for b.Loop() {
		out, _ = record.AppendCanonical(out[:0], data)
	}
}
