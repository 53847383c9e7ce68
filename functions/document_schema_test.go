package functions

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/swaggest/jsonschema-go"
)

// schema returns a JSON Schema, or the reference to that of a Go type.
func (w *writer) schema(v any) (any, error) {
	if s, ok := v.(schema); ok {
		return s, nil
	}
	s, err := w.reflector.Reflect(v,
		jsonschema.DefinitionsPrefix("#/components/schemas/"), jsonschema.RootRef,
		jsonschema.CollectDefinitions(func(name string, s jsonschema.Schema) { w.schemas[name] = decoded(s) }),
		jsonschema.InterceptDefName(func(t reflect.Type, name string) string {
			if t.Kind() != reflect.Struct {
				return name
			}
			name = schemaName(t)
			if other := w.types[name]; other != nil && other != t {
				panic(fmt.Sprintf("two schemas are called %s: %s and %s", name, other, t))
			}
			w.types[name] = t
			return name
		}))
	return decoded(s), err
}

func decoded(v any) (out map[string]any) {
	b, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	if err != nil {
		panic(err)
	}
	return out
}

func schemaName(t reflect.Type) string {
	if name, ok := schemaNames[t]; ok {
		return name
	}
	name := strings.TrimSuffix(t.Name(), "JSON")
	return strings.ToUpper(name[:1]) + name[1:]
}

// finish adds to the schemas what the library does not know about encoding/json: which
// properties are always present, which can be null, and that there are no others.
func (w *writer) finish() {
	for name, t := range w.types {
		s, ok := w.schemas[name].(map[string]any)
		if !ok || t.Kind() != reflect.Struct || s["properties"] == nil {
			continue
		}
		w.finishStruct(s, t, name)
	}
}

func (w *writer) finishStruct(s map[string]any, t reflect.Type, name string) {
	properties := s["properties"].(map[string]any)
	required := w.fields(properties, t, name, true)
	slices.Sort(required)
	s["required"] = slices.Compact(required)
	if len(required) == 0 {
		delete(s, "required")
	}
	if !openSchemas[name] {
		s["additionalProperties"] = false
	}
}

// fields finishes the properties of the fields of t, and returns those that are always
// present. always is false within an embedded pointer, which may be nil.
func (w *writer) fields(properties map[string]any, t reflect.Type, name string, always bool) (required []string) {
	for f := range fieldsOf(t) {
		tag, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		ft := f.Type
		if f.Anonymous && tag == "" {
			pointer := ft.Kind() == reflect.Pointer
			if pointer {
				ft = ft.Elem()
			}
			required = append(required, w.fields(properties, ft, schemaName(ft), always && (!pointer || neverNil[ft]))...)
			continue
		}
		p, ok := properties[tag].(map[string]any)
		if !ok {
			continue
		}
		n := notes[name+"."+tag]
		if n.hidden {
			delete(properties, tag)
			continue
		}
		omitted := strings.Contains(options, "omit")
		if always && !omitted {
			required = append(required, tag)
		}
		if p["properties"] != nil { // a struct without a name
			w.finishStruct(p, ft, "")
		}
		properties[tag] = n.apply(p, ft.Kind() == reflect.Pointer && !omitted || n.null)
	}
	return required
}

func fieldsOf(t reflect.Type) func(func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for i := range t.NumField() {
			if !yield(t.Field(i)) {
				return
			}
		}
	}
}

// apply applies the note to a property.
func (n note) apply(p map[string]any, null bool) map[string]any {
	if types, ok := p["type"].([]any); ok { // the library adds null to every slice, map and pointer
		types = slices.DeleteFunc(types, func(v any) bool { return v == "null" })
		p["type"] = types[0]
	}
	if p["type"] == "integer" { // all of them count something
		p["minimum"] = 0
	}
	maps.Copy(p, n.schema)
	if n.enum != nil {
		p["enum"] = n.enum
	}
	if enum, ok := p["enum"].([]any); ok && len(enum) == 1 {
		delete(p, "enum")
		p["const"] = enum[0]
	}
	if !null {
		if n.text != "" {
			p["description"] = n.text
		}
		return p
	}
	out := map[string]any{"anyOf": []any{p, schema{"type": "null"}}}
	if text, ok := p["description"]; ok {
		out["description"] = text
		delete(p, "description")
	}
	if n.text != "" {
		out["description"] = n.text
	}
	return out
}
