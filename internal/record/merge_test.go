package record_test

import (
	"maps"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/headgate/headgate/internal/record"
)

// One field, for every combination of changes on both sides. nil stands for null, and
// absent for a missing field.
func TestMergeOfOneField(t *testing.T) {
	t.Parallel()
	const absent = "(absent)"
	for _, c := range []struct {
		name                string
		base, store, source any
		want                any // the result under Source
		conflict            bool
		kept                any // the result under Store and Manual, if it is a conflict
	}{
		{"nothing changed", 1, 1, 1, 1, false, nil},
		{"the source changed it", 1, 1, 2, 2, false, nil},
		{"the store changed it", 1, 2, 1, 2, false, nil},
		{"both alike", 1, 2, 2, 2, false, nil},
		{"both alike, spelled otherwise", 1, 2, 2.0, 2, false, nil},
		{"the source spells it otherwise", 1, 2, 1.0, 2, false, nil},
		{"the store spells it otherwise", 1, 1.0, 2, 2, false, nil},
		{"both, each its own way", 1, 2, 3, 3, true, 2},
		{"the source has it new", absent, absent, 1, 1, false, nil},
		{"the store has it new", absent, 1, absent, 1, false, nil},
		{"both have it new, alike", absent, 1, 1, 1, false, nil},
		{"both have it new", absent, 1, 2, 2, true, 1},
		{"the source removed it", 1, 1, absent, absent, false, nil},
		{"the store removed it", 1, absent, 1, absent, false, nil},
		{"both removed it", 1, absent, absent, absent, false, nil},
		{"removed at the source, changed here", 1, 2, absent, absent, true, 2},
		{"changed at the source, removed here", 1, absent, 2, 2, true, absent},
		{"null is a value: set at the source", 1, 1, nil, nil, false, nil},
		{"null is not absence", nil, nil, absent, absent, false, nil},
		{"null here, gone there", 1, nil, absent, absent, true, nil},
		{"inside of an object", map[string]any{"x": 1, "y": 1}, map[string]any{"x": 2, "y": 1}, map[string]any{"x": 1, "y": 2},
			map[string]any{"x": 1, "y": 2}, true, map[string]any{"x": 2, "y": 1}}, // objects inside a field are not merged
		{"an object whose members are in another order", map[string]any{"x": 1, "y": []any{1}}, map[string]any{"y": []any{1.0}, "x": 1}, "new", "new", false, nil},
		{"a list whose items are in another order", []any{1, 2}, []any{2, 1}, []any{1, 2}, []any{2, 1}, false, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			of := func(v any) map[string]any {
				if v == absent {
					return map[string]any{"other": true}
				}
				return map[string]any{"other": true, "f": v}
			}
			check := func(rule record.Rule, want any, taken string) {
				got, conflicts := record.Merge(of(c.base), of(c.store), of(c.source), nil, rule)
				same(t, of(want), got)
				if !c.conflict {
					require.Empty(t, conflicts)
					return
				}
				require.Len(t, conflicts, 1)
				require.Equal(t, "f", conflicts[0].Field)
				require.Equal(t, taken, conflicts[0].Taken)
				require.Equal(t, of(c.source)["f"], conflicts[0].Source)
				require.Equal(t, of(c.store)["f"], conflicts[0].Store)
				require.Equal(t, of(c.base)["f"], conflicts[0].Base)
			}
			check(record.Source, c.want, "source")
			kept := c.want
			if c.conflict {
				kept = c.kept
			}
			check(record.Store, kept, "store")
			check(record.Manual, kept, "store")
		})
	}
}

// Without a base, equal fields are no conflict; all other fields are conflicts or new.
func TestMergeWithoutABase(t *testing.T) {
	t.Parallel()
	merged, conflicts := record.Merge(nil, map[string]any{"a": 1, "b": 1, "c": 1}, map[string]any{"a": 1, "b": 2, "d": 2}, nil, record.Store)
	same(t, map[string]any{"a": 1, "b": 1, "c": 1, "d": 2}, merged)
	require.Len(t, conflicts, 1)
	require.Equal(t, "b", conflicts[0].Field)
	merged, conflicts = record.Merge(nil, nil, nil, nil, record.Source)
	require.NotNil(t, merged)
	require.Empty(t, merged)
	require.Empty(t, conflicts)
}

// Merging fields one after the other gives the same as merging all at once: they are
// independent.
func TestFieldsMergeIndependently(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		base, store, source := object().Draw(t, "base"), object().Draw(t, "store"), object().Draw(t, "source")
		rule := rapid.SampledFrom([]record.Rule{record.Source, record.Store, record.Manual}).Draw(t, "rule")
		whole, conflicts := record.Merge(base, store, source, nil, rule)
		parts, n := store, 0
		for _, f := range rapid.Permutation([]string{"p", "q", "r", "s"}).Draw(t, "order") {
			var c []record.Conflict
			parts, c = record.Merge(base, parts, source, []string{f}, rule)
			n += len(c)
		}
		same(t, whole, parts)
		require.Len(t, conflicts, n)
	})
}

// Each side merges the other's data, and both end with the same, whichever side is first.
func TestBothSidesConverge(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		base, store, source := object().Draw(t, "base"), object().Draw(t, "store"), object().Draw(t, "source")
		pulled, _ := record.Merge(base, store, source, nil, record.Store)
		pushed, conflicts := record.Merge(source, source, pulled, nil, record.Source) // the source stores what is pushed
		same(t, pulled, pushed)
		require.Empty(t, conflicts)
		quiet, conflicts := record.Merge(pulled, pulled, pushed, nil, record.Manual)
		same(t, pulled, quiet)
		require.Empty(t, conflicts)
	})
}

func TestDiffLeadsFromOneToTheOther(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		old, now := object().Draw(t, "old"), object().Draw(t, "now")
		got := maps.Clone(old)
		var last string
		for _, c := range record.Diff(old, now, nil) {
			require.Less(t, last, c.Field, "sorted, once each")
			last = c.Field
			_, had := old[c.Field]
			require.Equal(t, had, c.Had)
			if c.Has {
				got[c.Field] = c.New
			} else {
				delete(got, c.Field)
			}
		}
		same(t, now, got)
		require.Len(t, record.Diff(now, old, nil), len(record.Diff(old, now, nil)))
		require.Empty(t, record.Diff(now, now, nil))
		require.LessOrEqual(t, len(record.Diff(old, now, []string{"p"})), 1)
	})
}

// A value that has no JSON differs from every value, so that it is never taken for
// unchanged.
func TestDiffOfValuesWithoutJSON(t *testing.T) {
	t.Parallel()
	odd := map[string]any{"a": make(chan int), "b": "\xff"}
	require.Len(t, record.Diff(odd, odd, nil), 1, "only the channel differs; text is compared byte by byte")
	require.Len(t, record.Diff(map[string]any{"a": "1"}, map[string]any{"a": 1}, nil), 1, "text is not equal to a number")
	require.Len(t, record.Diff(map[string]any{"a": 1}, map[string]any{"a": "1"}, nil), 1)
}

// oracle is the pseudo-code of RFC 7396, section 2.
func oracle(target, patch any) any {
	p, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	result := map[string]any{}
	if t, ok := target.(map[string]any); ok {
		result = maps.Clone(t)
	}
	for name, value := range p {
		if value == nil {
			delete(result, name)
		} else {
			result[name] = oracle(result[name], value)
		}
	}
	return result
}

func nested(depth int) *rapid.Generator[map[string]any] {
	values := []*rapid.Generator[any]{
		rapid.Just[any](nil), rapid.Just[any]("a"), rapid.Just[any](int64(1)), rapid.Just[any]([]any{nil, map[string]any{"x": nil}}),
	}
	if depth > 0 {
		values = append(values, nested(depth-1).AsAny(), nested(depth-1).AsAny())
	}
	return rapid.MapOfN(rapid.SampledFrom([]string{"p", "q", "r"}), rapid.OneOf(values...), 0, 3)
}

func TestMergePatchIsTheRFCs(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		target, patch := nested(3).Draw(t, "target"), nested(3).Draw(t, "patch")
		before := canonical(t, target) + canonical(t, patch)
		got := record.MergePatch(target, patch)
		same(t, oracle(target, patch).(map[string]any), got)
		same(t, got, record.MergePatch(got, patch)) // applying it twice changes nothing more
		require.Equal(t, before, canonical(t, target)+canonical(t, patch), "neither argument is changed")
	})
	require.NotNil(t, record.MergePatch(nil, nil))
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

func BenchmarkMerge(b *testing.B) {
	base := map[string]any{"a": "x", "b": 1.5, "c": int64(3), "d": "y"}
	store, source := maps.Clone(base), maps.Clone(base)
	store["a"], source["b"] = "z", 2.5
	b.ReportAllocs()
	for b.Loop() {
		record.Merge(base, store, source, nil, record.Source)
	}
}
