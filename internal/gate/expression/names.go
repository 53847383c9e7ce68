package expression

import (
	"cmp"
	"reflect"
	"slices"
	"strings"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// byName is a map of headers or of query parameters by lower-case name. A name is found in
// any case, as HTTP has it for headers. Where names differ in case only, the values of the
// one in lower case come first, and then the others' in descending order of names.
type byName struct {
	values map[string][]string
	first  bool // the first value of each name, not a list of all
	whole  traits.Mapper
}

// all returns the map by lower-case name. A look-up does not need it.
func (m *byName) all() traits.Mapper {
	if m.whole != nil {
		return m.whole
	}
	values := make(map[string]any, len(m.values))
	for name := range m.values {
		if name = strings.ToLower(name); values[name] == nil {
			if v := m.find(name); v != nil {
				values[name] = v
			}
		}
	}
	m.whole = sorted{types.NewStringInterfaceMap(types.DefaultTypeAdapter, values)}
	return m.whole
}

// find returns the value of a name, or nil if there is none.
func (m *byName) find(name string) ref.Val {
	var found []string
	for n, v := range m.values {
		if len(v) > 0 && strings.EqualFold(n, name) {
			found = append(found, n)
		}
	}
	if len(found) == 0 {
		return nil
	}
	slices.SortFunc(found, func(a, b string) int { return cmp.Compare(b, a) }) // ASCII has the capitals first
	if m.first {
		return types.String(m.values[found[0]][0])
	}
	var all []string
	for _, n := range found {
		all = append(all, m.values[n]...)
	}
	return types.NewDynamicList(types.DefaultTypeAdapter, all)
}

// Find implements [traits.Mapper].
func (m *byName) Find(key ref.Val) (ref.Val, bool) {
	name, ok := key.(types.String)
	if !ok {
		return m.all().Find(key)
	}
	v := m.find(string(name))
	return v, v != nil
}

// Get implements [traits.Indexer].
func (m *byName) Get(key ref.Val) ref.Val {
	if v, ok := m.Find(key); ok {
		return v
	}
	return m.all().Get(key)
}

// Contains implements [traits.Container].
func (m *byName) Contains(key ref.Val) ref.Val {
	_, ok := m.Find(key)
	return types.Bool(ok)
}

// Iterator implements [traits.Iterable].
func (m *byName) Iterator() traits.Iterator { return m.all().Iterator() }

// Size implements [traits.Sizer].
func (m *byName) Size() ref.Val { return m.all().Size() }

// Equal implements [ref.Val].
func (m *byName) Equal(other ref.Val) ref.Val { return m.all().Equal(other) }

// ConvertToType implements [ref.Val].
func (m *byName) ConvertToType(t ref.Type) ref.Val { return m.all().ConvertToType(t) }

// ConvertToNative implements [ref.Val].
func (m *byName) ConvertToNative(t reflect.Type) (any, error) { return m.all().ConvertToNative(t) }

// Type implements [ref.Val].
func (m *byName) Type() ref.Type { return types.MapType }

// Value implements [ref.Val].
func (m *byName) Value() any { return m }

func (m *byName) empty() bool { return len(m.values) == 0 }

// sorted is a map whose names are iterated in order, so that an expression has the same
// result each time.
type sorted struct{ traits.Mapper }

// Iterator implements [traits.Iterable].
func (m sorted) Iterator() traits.Iterator {
	var names []string
	for it := m.Mapper.Iterator(); it.HasNext() == types.True; {
		if name, ok := it.Next().(types.String); ok {
			names = append(names, string(name))
		}
	}
	slices.Sort(names)
	return types.NewDynamicList(types.DefaultTypeAdapter, names).Iterator()
}

func (m sorted) empty() bool { return m.Size() == types.IntZero }
