package decode

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Rules are the rules in a field's tags.
type Rules struct {
	Required, Nullable, Secret, AnyCase bool

	Default string // "": there is none
	Range   *Range // nil: any number
	Enum    []string
	Format  string
	Types   []string // of any: string, integer, number, boolean, object, array; none: whatever there is
	Least   int      // items of a list
	Noun    string   // what they are
}

// Range is the least and the most that a number may be.
type Range struct {
	Least, Most float64
	Unit        string // " seconds", or ""
}

func (r *Range) has(n float64) bool { return r == nil || n >= r.Least && n <= r.Most }

// String returns what a message says of a number that is outside.
func (r *Range) String() string {
	plain := func(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }
	return fmt.Sprintf("must be from %s to %s%s", plain(r.Least), plain(r.Most), r.Unit)
}

// Field is a field of a struct, as a document has it.
type Field struct {
	Name  string
	Index []int // in the struct
	Go    reflect.StructField
	Rules
}

// fields returns what [FieldsOf] does, and remembers it.
func (f *Faults) fields(t reflect.Type) []Field {
	if plan, ok := f.plans[t]; ok {
		return plan
	}
	plan := FieldsOf(t)
	if f.plans == nil {
		f.plans = make(map[reflect.Type][]Field)
	}
	f.plans[t] = plan
	return plan
}

// FieldsOf returns the fields of a struct in order, and in the place of a struct that is
// embedded in it the fields of that. It panics on a tag that it cannot read, which is a
// mistake of the program's.
func FieldsOf(t reflect.Type) (plan []Field) {
	for i := range t.NumField() {
		sf := t.Field(i)
		name, _, _ := strings.Cut(sf.Tag.Get("json"), ",")
		switch {
		case sf.Anonymous && name == "" && sf.Type.Kind() == reflect.Struct:
			for _, inner := range FieldsOf(sf.Type) {
				inner.Index = append([]int{i}, inner.Index...)
				plan = append(plan, inner)
			}
			continue
		case name == "-" || !sf.IsExported():
			continue
		case name == "":
			name = sf.Name
		}
		plan = append(plan, Field{name, []int{i}, sf, rulesOf(t, sf)})
	}
	return plan
}

func rulesOf(t reflect.Type, sf reflect.StructField) (r Rules) {
	fail := func(tag string) {
		panic(fmt.Sprintf("decode: the tag %s of %s.%s cannot be read: %q", tag, t, sf.Name, sf.Tag.Get(tag)))
	}
	for flag := range strings.SplitSeq(sf.Tag.Get("decode"), ",") {
		switch flag {
		case "":
		case "required":
			r.Required = true
		case "nullable":
			r.Nullable = true
		case "secret":
			r.Secret = true
		case "anycase":
			r.AnyCase = true
		default:
			fail("decode")
		}
	}
	r.Default, r.Format = sf.Tag.Get("default"), sf.Tag.Get("format")
	r.Enum, r.Types = strings.Fields(sf.Tag.Get("enum")), strings.Fields(sf.Tag.Get("types"))
	if text := sf.Tag.Get("range"); text != "" {
		bounds, unit, hasUnit := strings.Cut(text, " ")
		least, most, ok := strings.Cut(bounds, "..")
		from, err1 := strconv.ParseFloat(least, 64)
		to, err2 := strconv.ParseFloat(most, 64)
		if !ok || err1 != nil || err2 != nil {
			fail("range")
		}
		r.Range = &Range{Least: from, Most: to}
		if hasUnit {
			r.Range.Unit = " " + unit
		}
	}
	if text := sf.Tag.Get("least"); text != "" {
		n, noun, ok := strings.Cut(text, " ")
		var err error
		if r.Least, err = strconv.Atoi(n); !ok || err != nil {
			fail("least")
		}
		r.Noun = noun
	}
	return r
}

// apply checks a value that was read.
func (f *Faults) apply(path string, v reflect.Value, r Rules) {
	switch v.Kind() {
	case reflect.String:
		if r.Required && v.Len() == 0 {
			f.breaks(path, "must not be empty")
			return
		}
		f.word(path, v, r)
	case reflect.Slice:
		if v.Len() < r.Least {
			f.breaks(path, "must have at least %s %s", count(r.Least), r.Noun)
		}
		if v.Type().Elem().Kind() == reflect.String {
			for i := range v.Len() {
				f.word(Index(path, i), v.Index(i), r)
			}
		}
	case reflect.Int, reflect.Int64:
		if !r.Range.has(float64(v.Int())) {
			f.breaks(path, "%s", r.Range)
		}
	case reflect.Float64:
		if !r.Range.has(v.Float()) {
			f.breaks(path, "%s", r.Range)
		}
	}
}

// word checks a text against an enum or a format.
func (f *Faults) word(path string, v reflect.Value, r Rules) {
	s := v.String()
	if len(r.Enum) > 0 {
		for _, one := range r.Enum {
			if one == s || r.AnyCase && strings.EqualFold(one, s) {
				v.SetString(one)
				return
			}
		}
		f.breaks(path, "must be %s%s", alternatives(r.Enum), r.shown(s, nil))
		v.SetString("") // so that rules about other fields do not stumble over it
		return
	}
	if r.Format == "" {
		return
	}
	format, ok := f.Formats[r.Format]
	if !ok {
		panic(fmt.Sprintf("decode: there is no format %q", r.Format))
	}
	switch {
	case format.NotEmpty && s == "":
		f.breaks(path, "must not be empty")
	case format.Check != nil:
		if wrong := format.Check(s); wrong != "" {
			f.breaks(path, "%s", wrong)
		}
	case format.Pattern != nil && !format.Pattern.MatchString(s), format.Not != nil && format.Not.MatchString(s):
		f.breaks(path, "%s%s", format.Must, r.shown(s, format.Show))
	}
}

// shown returns the end of a message that may show the value.
func (r Rules) shown(s string, show func(string) string) string {
	if r.Secret {
		return ""
	}
	if show != nil {
		s = show(s)
	}
	return fmt.Sprintf(", not %q", Short(s))
}

// alternatives returns "a", "a or b", "a, b or c".
func alternatives(list []string) string {
	last := len(list) - 1
	if last == 0 {
		return list[0]
	}
	return strings.Join(list[:last], ", ") + " or " + list[last]
}

func count(n int) string {
	if small := []string{"no", "one", "two", "three"}; n < len(small) {
		return small[n]
	}
	return strconv.Itoa(n)
}

// setDefaults sets the defaults of a struct whose fields were all omitted.
func (f *Faults) setDefaults(v reflect.Value) {
	if v.Kind() != reflect.Struct {
		return
	}
	for _, one := range f.fields(v.Type()) {
		f.omitted(v.FieldByIndex(one.Index), one.Rules)
	}
}

// omitted sets the default of a field that has no value.
func (f *Faults) omitted(v reflect.Value, r Rules) {
	if v.Kind() == reflect.Struct {
		f.setDefaults(v)
		return
	}
	if r.Default == "" || !v.IsZero() {
		return
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	var err error
	switch v.Kind() {
	case reflect.String:
		v.SetString(r.Default)
	case reflect.Int, reflect.Int64:
		var n int64
		n, err = strconv.ParseInt(r.Default, 10, 64)
		v.SetInt(n)
	case reflect.Float64:
		var n float64
		n, err = strconv.ParseFloat(r.Default, 64)
		v.SetFloat(n)
	case reflect.Bool:
		v.SetBool(r.Default == "true")
	default:
		panic(fmt.Sprintf("decode: a %s has no default", v.Type()))
	}
	if err != nil {
		panic(fmt.Sprintf("decode: the default %q is not a %s", r.Default, v.Type()))
	}
}

// names returns those of the fields, in order.
func names(fields []Field) []string {
	list := make([]string, len(fields))
	for i, one := range fields {
		list[i] = one.Name
	}
	slices.Sort(list)
	return list
}
