package record

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
)

// Rule states whose value wins in a field that both sides changed differently.
type Rule int

// The rules. Manual keeps the store's value until a person decides.
const (
	Source Rule = iota
	Store
	Manual
)

// Change is a field that differs. Old and New are nil both for null and for a missing
// field; Had and Has tell the two apart.
type Change struct {
	Field    string
	Old, New any
	Had, Has bool
}

// Conflict is a field that both sides changed differently.
type Conflict struct {
	Field               string
	Base, Store, Source any
	Taken               string // source or store
}

// Diff returns the fields in which the two objects differ. It compares the named fields,
// or if fields is nil, all fields in sorted order.
func Diff(old, now map[string]any, fields []string) []Change {
	var out []Change
	for _, f := range names(fields, old, now) {
		a, had := old[f]
		b, has := now[f]
		if had != has || had && !Same(a, b) {
			out = append(out, Change{Field: f, Old: a, New: b, Had: had, Has: has})
		}
	}
	return out
}

// names returns fields, or if that is nil, the sorted names of all fields of the objects.
func names(fields []string, objects ...map[string]any) []string {
	if fields != nil {
		return fields
	}
	all := make(map[string]bool)
	for _, o := range objects {
		for f := range o {
			all[f] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// Same reports whether two values are equal as canonical JSON: 1 and 1.0 are one number,
// and the order of an object's members does not matter. A value that has no JSON equals
// none, so that nobody takes it for unchanged.
func Same(a, b any) bool {
	switch x := a.(type) { // the usual kinds need no encoding
	case string:
		y, ok := b.(string)
		return ok && x == y
	case json.Number:
		if y, ok := b.(json.Number); ok && x == y {
			return true
		}
	}
	x, errA := Canonical(a)
	y, errB := Canonical(b)
	return errA == nil && errB == nil && bytes.Equal(x, y)
}

// Merge merges two descendants of base, field by field. A field that only one side
// changed gets that side's value. A field that both sides changed to the same value is
// no conflict. For any other field the rule decides. Removing a field is a change, too.
//
// Merge merges the named fields, or all if fields is nil; the others keep the store's
// values. It does not change its arguments.
func Merge(base, store, source map[string]any, fields []string, rule Rule) (map[string]any, []Conflict) {
	merged := maps.Clone(store)
	if merged == nil {
		merged = make(map[string]any)
	}
	var conflicts []Conflict
	for _, f := range names(fields, base, store, source) {
		b, inBase := base[f]
		ours, inStore := store[f]
		theirs, inSource := source[f]
		if equal(theirs, inSource, b, inBase) || equal(theirs, inSource, ours, inStore) {
			continue // the source did not change it, or both changed it to the same
		}
		if !equal(ours, inStore, b, inBase) {
			c := Conflict{Field: f, Base: b, Store: ours, Source: theirs, Taken: "store"}
			if rule == Source {
				c.Taken = "source"
			}
			conflicts = append(conflicts, c)
			if rule != Source {
				continue
			}
		}
		if inSource {
			merged[f] = theirs
		} else {
			delete(merged, f)
		}
	}
	return merged, conflicts
}

func equal(a any, hasA bool, b any, hasB bool) bool {
	return hasA == hasB && (!hasA || Same(a, b))
}

// MergePatch returns the result of applying a JSON Merge Patch (RFC 7396) to an object.
// It does not change target.
func MergePatch(target, patch map[string]any) map[string]any {
	out := maps.Clone(target)
	if out == nil {
		out = make(map[string]any)
	}
	for k, v := range patch {
		switch v := v.(type) {
		case nil:
			delete(out, k)
		case map[string]any:
			inner, _ := out[k].(map[string]any)
			out[k] = MergePatch(inner, v)
		default:
			out[k] = v
		}
	}
	return out
}
