package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"unicode/utf8"
)

// Fault is one thing that is wrong with a configuration.
type Fault struct {
	Path    string // JSON path of the value: $.endpoints[1].eventKey
	Message string
}

func (f Fault) String() string { return f.Path + ": " + f.Message }

// Error is everything that is wrong with a configuration: at least one fault.
type Error struct{ Faults []Fault }

// Error lists all faults, one per line.
func (e *Error) Error() string {
	lines := make([]string, len(e.Faults))
	for i, f := range e.Faults {
		lines[i] = f.String()
	}
	return strings.Join(lines, "\n")
}

// Parse decodes and validates a configuration in either form. The error, if
// there is one, is an *Error.
func Parse(data []byte) (*Config, error) {
	root, fault := parseDocument(data)
	if fault != nil {
		return nil, &Error{Faults: []Fault{*fault}}
	}
	d := &decoder{broken: map[string]bool{}, said: map[Fault]bool{}}
	c := d.config(root)
	v := &validator{decoder: d}
	v.config(c)
	if len(d.faults) > 0 {
		return nil, &Error{Faults: d.faults}
	}
	return c, nil
}

// node is a JSON value with its fields in the order, and as often, as they are
// written.
type node struct {
	kind   kind
	text   string // of a string or a number
	truth  bool
	items  []node
	fields []field
}

type field struct {
	name  string
	value node
}

type kind string

const (
	null    kind = "null"
	boolean kind = "true or false"
	number  kind = "a number"
	str     kind = "a string"
	array   kind = "an array"
	object  kind = "an object"
)

func parseDocument(data []byte) (node, *Fault) {
	data = bytes.TrimPrefix(data, []byte("\ufeff")) // as some editors save files
	if len(bytes.TrimSpace(data)) == 0 {
		return node{}, &Fault{"$", "the configuration is empty"}
	}
	if bad := invalidUTF8(data); bad >= 0 {
		return node{}, &Fault{"$", "not UTF-8: " + position(data, bad)}
	}
	// Unmarshal checks the whole document, its depth too, before anything is
	// walked: the walk can neither fail nor overflow the stack.
	err := json.Unmarshal(data, new(json.RawMessage))
	var root node
	if err == nil {
		dec := json.NewDecoder(bytes.NewReader(data))
		dec.UseNumber()
		root, err = parseValue(dec)
	}
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return node{}, &Fault{"$", fmt.Sprintf("not JSON: %s: %v", position(data, int(syntax.Offset)-1), err)}
	case err != nil:
		return node{}, &Fault{"$", "not JSON: " + err.Error()}
	}
	return root, nil
}

func parseValue(dec *json.Decoder) (n node, err error) {
	token, err := dec.Token()
	if err != nil {
		return n, err
	}
	switch t := token.(type) {
	case bool:
		return node{kind: boolean, truth: t}, nil
	case json.Number:
		return node{kind: number, text: t.String()}, nil
	case string:
		return node{kind: str, text: t}, nil
	case json.Delim:
		n.kind = array
		if t == '{' {
			n.kind = object
		}
	default:
		return node{kind: null}, nil
	}
	for dec.More() {
		var name json.Token
		if n.kind == object {
			if name, err = dec.Token(); err != nil {
				return n, err
			}
		}
		item, err := parseValue(dec)
		if err != nil {
			return n, err
		}
		if name, ok := name.(string); ok {
			n.fields = append(n.fields, field{name, item})
		} else {
			n.items = append(n.items, item)
		}
	}
	_, err = dec.Token() // the closing bracket
	return n, err
}

// invalidUTF8 is the offset of the first byte that is not UTF-8, or -1.
func invalidUTF8(data []byte) int {
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return -1
}

func position(data []byte, offset int) string {
	before := data[:min(max(offset, 0), len(data))]
	line := before[bytes.LastIndexByte(before, '\n')+1:]
	return fmt.Sprintf("line %d, column %d", bytes.Count(before, []byte("\n"))+1, utf8.RuneCount(line)+1)
}

// config decodes the document in the form that it has.
func (d *decoder) config(root node) *Config {
	c := new(Config)
	if root.kind != object {
		d.fault("$", "must be %s, not %s", object, root.kind)
		return c
	}
	deployment, service := targets(reflect.ValueOf(c)), targets(reflect.ValueOf(new(Service)))
	for _, f := range root.fields {
		if t := find(deployment, f.name); t >= 0 && deployment[t].name == "services" {
			d.fields("$", root, deployment, service)
			return c
		}
	}
	c.flat, c.Services = true, make([]Service, 1)
	flat := targets(reflect.ValueOf(&c.Services[0]))
	for _, t := range deployment {
		if t.name != "services" {
			flat = append(flat, t)
		}
	}
	d.fields("$", root, flat, nil)
	return c
}
