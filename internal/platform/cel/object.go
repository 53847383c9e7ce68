package cel

import (
	"bytes"
	"reflect"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// maxLinear is the number of members up to which an object is searched from its start.
const maxLinear = 32

// object is a JSON object. A name that occurs twice has its last value, as in
// encoding/json. A small object is searched in the text, without any memory; all makes
// the map that everything else needs.
type object struct {
	doc *document
	at  int32
}

func (o *object) weight() int {
	e := o.doc.index[o.at]
	return int(e.end - e.start)
}

// all returns the object as a map. It is kept: a loop may read it often.
func (o *object) all() traits.Mapper {
	d := o.doc
	if m, ok := d.made[o.at]; ok {
		return m.(traits.Mapper)
	}
	members := make(map[string]any)
	for i, end := o.at+1, d.index[o.at].next; i < end; i = d.index[i+1].next {
		members[d.text(i)] = place(i + 1)
	}
	return d.keep(o.at, types.NewStringInterfaceMap(d, members)).(traits.Mapper)
}

// member returns the value of a member, or nil if there is none.
func (o *object) member(name string) ref.Val {
	d := o.doc
	found, n := int32(0), 0
	for i, end := o.at+1, d.index[o.at].next; i < end; i = d.index[i+1].next {
		if n++; n > maxLinear {
			v, _ := o.all().Find(types.String(name))
			return v
		}
		if d.named(i, name) {
			found = i + 1
		}
	}
	if found == 0 {
		return nil
	}
	return d.value(found)
}

// named reports whether the string at an index is the name.
func (d *document) named(at int32, name string) bool {
	e := d.index[at]
	inner := d.data[e.start+1 : e.end-1]
	return string(inner) == name || bytes.IndexByte(inner, '\\') >= 0 && d.text(at) == name
}

// FindStringKey returns the value of a member. CEL calls it for a name in an expression.
func (o *object) FindStringKey(name string) (any, bool) {
	v := o.member(name)
	return v, v != nil
}

// Find implements [traits.Mapper].
func (o *object) Find(key ref.Val) (ref.Val, bool) {
	if name, ok := key.(types.String); ok {
		v := o.member(string(name))
		return v, v != nil
	}
	return o.all().Find(key)
}

// Contains implements [traits.Container].
func (o *object) Contains(key ref.Val) ref.Val {
	if name, ok := key.(types.String); ok {
		return types.Bool(o.member(string(name)) != nil)
	}
	return o.all().Contains(key)
}

// Get implements [traits.Indexer].
func (o *object) Get(key ref.Val) ref.Val {
	if v, ok := o.Find(key); ok {
		return v
	}
	return o.all().Get(key)
}

// Iterator implements [traits.Iterable]. It gives the names in the order of the text, so
// that an expression has the same result each time.
func (o *object) Iterator() traits.Iterator {
	d := o.doc
	var names []string
	seen := make(map[string]bool)
	for i, end := o.at+1, d.index[o.at].next; i < end; i = d.index[i+1].next {
		if name := d.text(i); !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	return types.NewDynamicList(types.DefaultTypeAdapter, names).Iterator()
}

// Size implements [traits.Sizer].
func (o *object) Size() ref.Val { return o.all().Size() }

// IsZeroValue implements [traits.Zeroer].
func (o *object) IsZeroValue() bool { return o.doc.index[o.at].next == o.at+1 }

// Equal implements [ref.Val].
func (o *object) Equal(other ref.Val) ref.Val { return o.all().Equal(other) }

// ConvertToType implements [ref.Val].
func (o *object) ConvertToType(t ref.Type) ref.Val { return o.all().ConvertToType(t) }

// ConvertToNative implements [ref.Val].
func (o *object) ConvertToNative(t reflect.Type) (any, error) { return o.all().ConvertToNative(t) }

// Type implements [ref.Val].
func (o *object) Type() ref.Type { return types.MapType }

// Value implements [ref.Val].
func (o *object) Value() any { return o }
