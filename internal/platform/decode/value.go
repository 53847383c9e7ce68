package decode

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

var (
	rawType     = reflect.TypeFor[json.RawMessage]()
	unmarshaler = reflect.TypeFor[json.Unmarshaler]()
)

// value reads the next value of t into v, and applies the rules of its field.
func (f *Faults) value(path string, t *text, v reflect.Value, r Rules) {
	is := t.kind()
	switch {
	case v.Type() == rawType:
		v.SetBytes(append([]byte(nil), t.raw()...))
	case is == null && (r.Nullable || !f.Strict):
		t.raw()
		f.nothing(path, v, r)
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		if f.read(path, is, t, v.Elem(), r) {
			f.apply(path, v.Elem(), r) // zero, too: nil would be to omit it
			return
		}
		v.SetZero()
		f.omitted(v, r)
	case !f.read(path, is, t, v, r):
		f.omitted(v, r) // so that rules about other fields do not stumble over this one
	default:
		if v.IsZero() && !r.Required { // which is to omit it
			if f.Strict && is == number && !r.Nullable && !r.Range.has(0) {
				f.breaks(path, "%s", r.Range)
			}
			f.omitted(v, r)
			return
		}
		f.apply(path, v, r)
	}
}

// nothing treats null as a field that is omitted.
func (f *Faults) nothing(path string, v reflect.Value, r Rules) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Interface:
		v.SetZero()
	}
	if r.Required {
		f.unreadable(path, "is required")
		return
	}
	f.omitted(v, r)
}

var expected = map[reflect.Kind]kind{
	reflect.Struct: object, reflect.Map: object, reflect.Slice: array, reflect.String: str, reflect.Bool: boolean,
	reflect.Int: number, reflect.Int64: number, reflect.Float64: number,
}

// typed has the kinds of the values of a JSON type.
var typed = map[string]kind{"string": str, "integer": number, "number": number, "boolean": boolean, "object": object, "array": array}

// withArticles returns "a string" for string.
func withArticles(names []string) []string {
	list := make([]string, len(names))
	for i, name := range names {
		list[i] = "a " + name
		if strings.ContainsRune("aio", rune(name[0])) {
			list[i] = "an " + name
		}
	}
	return list
}

// read reads a value of the kind into v, which is no pointer, and reports whether v has
// it afterwards. Faults within it do not count.
func (f *Faults) read(path string, is kind, t *text, v reflect.Value, r Rules) bool {
	if v.CanAddr() && v.Addr().Type().Implements(unmarshaler) {
		if err := v.Addr().Interface().(json.Unmarshaler).UnmarshalJSON(t.raw()); err != nil {
			f.unreadable(path, "%s", err)
			return false
		}
		return true
	}
	if v.Kind() == reflect.Interface {
		tree, _ := One(t.raw()) // it was checked
		if len(r.Types) > 0 && !slices.ContainsFunc(r.Types, func(name string) bool { return typed[name] == is }) {
			must := "must be " + alternatives(withArticles(r.Types))
			if format := f.Formats[r.Format]; format.Must != "" {
				must = format.Must
			}
			f.unreadable(path, "%s, not %s", must, is)
			return false
		}
		v.Set(reflect.ValueOf(&tree).Elem())
		return true
	}
	want, ok := expected[v.Kind()]
	if !ok {
		panic(fmt.Sprintf("decode: %s at %s is of a type that cannot be read", v.Type(), path))
	}
	if is != want {
		t.raw()
		if want == number && v.Kind() != reflect.Float64 {
			want = "an integer"
		}
		f.unreadable(path, "must be %s, not %s", want, is)
		return false
	}
	switch v.Kind() {
	case reflect.Struct:
		f.object(path, t, v)
	case reflect.Map:
		f.byName(path, t, v)
	case reflect.Slice:
		f.list(path, t, v)
	case reflect.String:
		v.SetString(t.string())
	case reflect.Bool:
		v.SetBool(t.raw()[0] == 't')
	default:
		if wrong := setNumber(string(t.raw()), v, r); wrong != "" {
			f.unreadable(path, "%s", wrong)
			return false
		}
	}
	return true
}

// setNumber sets v to a number, or returns what is wrong with it.
func setNumber(text string, v reflect.Value, r Rules) string {
	const large = "is too large a number"
	if v.Kind() == reflect.Float64 {
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return large
		}
		v.SetFloat(n)
		return ""
	}
	if strings.ContainsAny(text, ".eE") {
		return "must be an integer, not " + Short(text)
	}
	n, err := strconv.ParseInt(text, 10, 64)
	switch {
	case (err != nil || v.OverflowInt(n)) && r.Range != nil:
		return r.Range.String()
	case err != nil || v.OverflowInt(n):
		return large
	}
	v.SetInt(n)
	return ""
}

func (f *Faults) list(path string, t *text, v reflect.Value) {
	t.enter()
	v.Set(reflect.MakeSlice(v.Type(), 0, 0))
	for i := 0; t.more(); i++ {
		v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
		f.value(Index(path, i), t, v.Index(i), Rules{})
	}
}

func (f *Faults) byName(path string, t *text, v reflect.Value) {
	t.enter()
	v.Set(reflect.MakeMap(v.Type()))
	for t.more() {
		name := t.string()
		at, key := Member(path, name), reflect.ValueOf(name).Convert(v.Type().Key())
		if f.Strict && v.MapIndex(key).IsValid() {
			t.raw()
			f.unreadable(at, "given twice")
			continue
		}
		item := reflect.New(v.Type().Elem()).Elem()
		f.value(at, t, item, Rules{})
		v.SetMapIndex(key, item)
	}
}

// object reads the fields of a struct.
func (f *Faults) object(path string, t *text, v reflect.Value) {
	fields := f.fields(v.Type())
	written := make([]string, len(fields))
	t.enter()
	for t.more() {
		name := t.string()
		i := f.find(fields, name)
		if i < 0 {
			t.raw()
			f.unknownField(path, name, fields)
			continue
		}
		one := fields[i]
		at, into := Member(path, one.Name), v.FieldByIndex(one.Index)
		switch before := written[i]; {
		case before == "":
		case !f.Strict:
			into.SetZero()
		case before == name:
			t.raw()
			f.unreadable(at, "given twice")
			continue
		default:
			t.raw()
			f.unreadable(at, "given twice, as %q and %q", before, Short(name))
			continue
		}
		written[i] = name
		f.value(at, t, into, one.Rules)
	}
	for i, one := range fields {
		switch {
		case written[i] != "":
		case one.Required:
			f.unreadable(Member(path, one.Name), "is required")
		default:
			f.omitted(v.FieldByIndex(one.Index), one.Rules)
		}
	}
}

// find returns the place of the field of that name, or -1. It prefers the exact name.
func (f *Faults) find(fields []Field, name string) int {
	folded := -1
	for i, one := range fields {
		if one.Name == name {
			return i
		}
		if f.AnyCase && folded < 0 && strings.EqualFold(one.Name, name) {
			folded = i
		}
	}
	return folded
}
