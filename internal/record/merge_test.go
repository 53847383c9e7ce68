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
