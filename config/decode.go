package config

import (
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
)

// decoder fills structs from nodes and collects faults as it goes.
type decoder struct {
	faults []Fault
	said   map[Fault]bool
	// broken are the paths whose values were not decoded: rules are not applied
	// to them, or one mistake would be listed twice.
	broken map[string]bool
}

func (d *decoder) fault(path, format string, args ...any) {
	d.broken[path] = true
	d.add(path, format, args...)
}

func (d *decoder) add(path, format string, args ...any) {
	f := Fault{path, fmt.Sprintf(format, args...)}
	if !d.said[f] {
		d.said[f] = true
		d.faults = append(d.faults, f)
	}
}

// target is a struct field that a JSON field may be decoded into.
type target struct {
	name               string
	required, nullable bool
	value              reflect.Value
}

// targets lists the fields of the struct that pointer points to.
func targets(pointer reflect.Value) []target {
	var ts []target
	s := pointer.Elem()
	for i := range s.NumField() {
		tag := s.Type().Field(i).Tag
		name, _, _ := strings.Cut(tag.Get("json"), ",")
		if name == "" {
			continue
		}
		rule := tag.Get("config")
		ts = append(ts, target{name, rule == "required", rule == "nullable", s.Field(i)})
	}
	return ts
}

// find prefers the exact name and takes any letter case, as encoding/json does.
func find(ts []target, name string) int {
	folded := -1
	for i, t := range ts {
		if t.name == name {
			return i
		}
		if folded < 0 && strings.EqualFold(t.name, name) {
			folded = i
		}
	}
	return folded
}

// fields decodes n's fields into ts. Those of misplaced are known, but belong in
// an entry of "services".
func (d *decoder) fields(path string, n node, ts, misplaced []target) {
	written := make([]string, len(ts))
	for _, f := range n.fields {
		i := find(ts, f.name)
		if i < 0 {
			p := member(path, f.name)
			if find(misplaced, f.name) >= 0 {
				d.fault(p, `cannot stand beside "services": move it into an entry of that list`)
			} else {
				d.fault(p, "unknown field%s", suggestion(ts, f.name))
			}
			continue
		}
		t, p := ts[i], member(path, ts[i].name)
		switch before := written[i]; {
		case before == "":
			written[i] = f.name
			if f.value.kind != null || !t.nullable {
				d.value(p, f.value, t.value)
			}
		case before == f.name:
			d.fault(p, "given twice")
		default:
			d.fault(p, "given twice, as %q and %q", before, f.name)
		}
	}
	for i, t := range ts {
		if t.required && written[i] == "" {
			d.fault(member(path, t.name), "is required")
		}
	}
}

var expected = map[reflect.Kind]kind{
	reflect.Struct: object, reflect.Slice: array, reflect.String: str, reflect.Bool: boolean, reflect.Int: number,
}

// value decodes n into v, whose kind is one of expected or a pointer to it.
func (d *decoder) value(path string, n node, v reflect.Value) {
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	want := expected[v.Kind()]
	if n.kind != want {
		if want == number {
			want = "an integer"
		}
		d.fault(path, "must be %s, not %s", want, n.kind)
		return
	}
	switch n.kind {
	case object:
		d.fields(path, n, targets(v.Addr()), nil)
	case array:
		for i, item := range n.items {
			v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
			d.value(index(path, i), item, v.Index(i))
		}
	case str:
		v.SetString(n.text)
	case boolean:
		v.SetBool(n.truth)
	case number:
		if strings.ContainsAny(n.text, ".eE") {
			d.fault(path, "must be an integer, not %s", short(n.text))
			return
		}
		// Beyond int64 this is the nearest int64, which every range refuses.
		i, _ := strconv.ParseInt(n.text, 10, strconv.IntSize)
		v.SetInt(i)
	}
}

var plainName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func member(path, name string) string {
	if name = short(name); plainName.MatchString(name) {
		return path + "." + name
	}
	return path + "[" + strconv.Quote(name) + "]"
}

func index(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// short keeps a message readable whatever was put into the configuration.
func short(s string) string {
	const most = 80
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

// suggestion names the known field that name is most likely a misspelling of.
func suggestion(ts []target, name string) string {
	best, least := "", len(name)/3+2
	for _, t := range ts {
		if len(name) > 2*len(t.name) {
			continue
		}
		if n := distance(strings.ToLower(name), strings.ToLower(t.name)); n < least {
			best, least = t.name, n
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

// distance is the Levenshtein distance in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
