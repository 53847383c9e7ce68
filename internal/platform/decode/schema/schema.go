// Package schema makes JSON Schemas (2020-12) from structs that package decode reads:
// from their tags, and for the descriptions from the comments of their fields. It reads
// source code and belongs into tests and go generate, not into a program.
//
// A schema is stricter than decode where letter case is concerned, and says nothing of
// rules that look at more than one field.
package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strings"
	"unicode"

	"github.com/headgate/headgate/internal/platform/decode"
)

// Member is a member of an [Object].
type Member struct {
	Name  string
	Value any
}

// Object is a JSON object whose members keep their order.
type Object []Member

// MarshalJSON implements [json.Marshaler].
func (o Object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		for j, v := range []any{m.Name, m.Value} {
			if j > 0 {
				b.WriteByte(':')
			}
			enc := json.NewEncoder(&b)
			enc.SetEscapeHTML(false)
			if err := enc.Encode(v); err != nil {
				return nil, err
			}
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// Generator makes the definitions ("$defs") of structs.
type Generator struct {
	Formats  decode.Formats
	Comments map[string]string // of "Struct.Field": see [Comments]
	// Open are the structs, by the names of their definitions, that do not refuse unknown
	// fields: the schema that puts them together does.
	Open []string
	// More are members that are added to definitions.
	More map[string]Object
	// Strict is that of the reader: see [decode.Faults].
	Strict bool

	defs Object
	done map[reflect.Type]bool
}

// Comments returns the comments of the fields of all structs that the Go files in a
// directory declare, by "Struct.Field".
func Comments(dir string) (map[string]string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	comments := make(map[string]string)
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if s, ok := spec.Type.(*ast.StructType); ok {
				for _, field := range s.Fields.List {
					for _, ident := range field.Names {
						comments[spec.Name.Name+"."+ident.Name] = strings.Join(strings.Fields(field.Doc.Text()), " ")
					}
				}
			}
			return true
		})
	}
	return comments, nil
}

// Definitions returns the definitions of all structs that were referred to.
func (g *Generator) Definitions() Object { return g.defs }

// Ref returns a reference to the definition of a struct, which it makes if need be.
func (g *Generator) Ref(t reflect.Type) Object {
	name := defName(t)
	if !g.done[t] {
		if g.done == nil {
			g.done = make(map[reflect.Type]bool)
		}
		g.done[t] = true
		at := len(g.defs)
		g.defs = append(g.defs, Member{Name: name})
		g.defs[at].Value = g.definition(name, t)
	}
	return Object{{"$ref", "#/$defs/" + name}}
}

// defName returns OnMessage as onMessage, and OIDC as oidc.
func defName(t reflect.Type) string {
	name := []rune(t.Name())
	for i := range name {
		if i > 0 && i+1 < len(name) && unicode.IsLower(name[i+1]) {
			break
		}
		name[i] = unicode.ToLower(name[i])
	}
	return string(name)
}

func (g *Generator) definition(name string, t reflect.Type) Object {
	var required []string
	properties := Object{}
	for _, f := range decode.FieldsOf(t) {
		properties = append(properties, Member{f.Name, g.property(t, f)})
		if f.Required {
			required = append(required, f.Name)
		}
	}
	o := Object{{"type", "object"}}
	if len(required) > 0 {
		o = append(o, Member{"required", required})
	}
	o = append(o, Member{"properties", properties})
	closed := true
	for _, open := range g.Open {
		closed = closed && open != name
	}
	if closed {
		o = append(o, Member{"additionalProperties", false})
	}
	return append(o, g.More[name]...)
}

func (g *Generator) property(t reflect.Type, f decode.Field) Object {
	text := g.Comments[t.Name()+"."+f.Go.Name]
	if f.Default != "" && f.Go.Type.Kind() == reflect.Int && (!g.Strict || f.Nullable) {
		text += " 0 is the default."
	}
	o := Object{{"description", text}}
	o = append(o, g.value(f.Go.Type, f.Rules)...)
	switch kind := f.Go.Type.Kind(); {
	case f.Default != "" && kind == reflect.String:
		o = append(o, Member{"default", f.Default})
	case f.Default != "":
		o = append(o, Member{"default", json.RawMessage(f.Default)})
	case kind == reflect.Bool && !f.Required:
		o = append(o, Member{"default", false})
	}
	return o
}

func (g *Generator) value(t reflect.Type, r decode.Rules) Object {
	if t == reflect.TypeFor[json.RawMessage]() { // another package knows its members
		return Object{{"type", "object"}}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return g.value(t.Elem(), r)
	case reflect.Struct:
		return g.Ref(t)
	case reflect.Slice:
		o := Object{{"type", kind("array", r)}}
		if r.Least > 0 {
			o = append(o, Member{"minItems", r.Least})
		}
		if t.Elem().Kind() == reflect.String {
			// No item is omitted. Only a format says that it must not be empty.
			r.Nullable, r.Required = false, true
			return append(o, Member{"items", g.text(r, g.Formats[r.Format].NotEmpty)})
		}
		return append(o, Member{"items", g.value(t.Elem(), decode.Rules{Required: true})})
	case reflect.String:
		return g.text(r, r.Required)
	case reflect.Bool:
		return Object{{"type", kind("boolean", r)}}
	case reflect.Int:
		return g.integer(r)
	case reflect.Interface:
		if len(r.Types) > 0 {
			return Object{{"type", r.Types}}
		}
		return Object{} // any value; what the code accepts is in the description
	}
	panic(fmt.Sprintf("schema: %s is of a type that no schema is made of", t))
}

// kind returns the type of a value, which may be null, too.
func kind(name string, r decode.Rules) any {
	if r.Nullable {
		return []string{name, "null"}
	}
	return name
}

func (g *Generator) integer(r decode.Rules) Object {
	o := Object{{"type", kind("integer", r)}}
	if r.Range == nil {
		return o
	}
	least, most := int64(r.Range.Least), int64(r.Range.Most)
	switch {
	case r.Required || least <= 0 || g.Strict && !r.Nullable:
		o = append(o, Member{"minimum", least})
	case least == 1:
		o = append(o, Member{"minimum", 0})
	default: // 0 means that it is omitted
		o = append(o, Member{"anyOf", []Object{{{"const", 0}}, {{"minimum", least}}}})
	}
	return append(o, Member{"maximum", most})
}

func (g *Generator) text(r decode.Rules, notEmpty bool) Object {
	o := Object{{"type", kind("string", r)}}
	if len(r.Enum) > 0 {
		return append(o, enum(r)...)
	}
	f := g.Formats[r.Format]
	if notEmpty {
		o = append(o, Member{"minLength", 1})
	}
	if f.Pattern != nil {
		pattern := f.Pattern.String()
		if !r.Required {
			pattern = "^$|" + pattern
		}
		o = append(o, Member{"pattern", pattern})
	}
	if f.Not != nil {
		o = append(o, Member{"not", Object{{"pattern", f.Not.String()}}})
	}
	return o
}

// enum lists the values, for editors, and where letter case does not count admits the
// others by a pattern.
func enum(r decode.Rules) Object {
	var values []any
	for _, v := range r.Enum {
		values = append(values, v)
	}
	if !r.Required {
		values = append(values, "")
	}
	if r.Nullable {
		values = append(values, nil)
	}
	listed := Object{{"enum", values}}
	if !r.AnyCase {
		return listed
	}
	patterns := make([]string, len(r.Enum))
	for i, v := range r.Enum {
		var b strings.Builder
		for _, c := range v {
			if u, l := unicode.ToUpper(c), unicode.ToLower(c); u != l {
				b.WriteString("[" + string(u) + string(l) + "]")
			} else {
				b.WriteRune(c)
			}
		}
		patterns[i] = b.String()
	}
	return Object{{"anyOf", []Object{listed, {{"pattern", "^(" + strings.Join(patterns, "|") + ")$"}}}}}
}
