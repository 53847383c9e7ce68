package cel

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

var (
	errJSON  = errors.New("it is not exactly one JSON value")
	errRange = errors.New("a number is out of range")
)

// JSON returns a JSON text as a value of CEL. Whole numbers are integers: as floating
// point, a long id would lose digits. A whole number that is too long for 64 bits becomes
// text, for only ids are that long.
//
// The text is read once, into an index of 12 bytes for each of its values and names. A
// value is made when an expression reads it, so reading two members of a large document
// makes two values. The value refers to data, which must not change, and is not safe for
// concurrent use.
func JSON(data []byte) (ref.Val, error) {
	if len(data) > math.MaxInt32 {
		return nil, errJSON
	}
	if !utf8.Valid(data) {
		data = []byte(string([]rune(string(data)))) // as encoding/json decodes such text
	}
	index, err := scan(data)
	if err != nil {
		return nil, err
	}
	d := &document{data: data, index: index}
	return d.value(0), nil
}

// document is a JSON text with the places of its values, in the order of the text. A
// member of an object is two entries: its name and its value.
type document struct {
	data  []byte
	index []entry
	made  map[int32]ref.Val // the lists and large objects that were read
}

// value returns the value at an index.
func (d *document) value(at int32) ref.Val {
	e := d.index[at]
	switch raw := d.data[e.start:e.end]; raw[0] {
	case '{':
		return &object{doc: d, at: at}
	case '[':
		return d.list(at)
	case '"':
		return types.String(d.text(at))
	case 't':
		return types.True
	case 'f':
		return types.False
	case 'n':
		return types.NullValue
	default:
		n, _ := parseNumber(string(raw)) // scan found it in range
		return n
	}
}

// text returns the string at an index.
func (d *document) text(at int32) (s string) {
	e := d.index[at]
	inner := d.data[e.start+1 : e.end-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return string(inner)
	}
	_ = json.Unmarshal(d.data[e.start:e.end], &s) // it is valid
	return s
}

// parseNumber returns an Int, a Uint or a Double, and text for a longer whole number.
func parseNumber(s string) (ref.Val, error) {
	if !strings.ContainsAny(s, ".eE") {
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return types.Int(n), nil
		}
		if n, err := strconv.ParseUint(s, 10, 64); err == nil {
			return types.Uint(n), nil
		}
		return types.String(s), nil
	}
	f, err := strconv.ParseFloat(s, 64)
	return types.Double(f), err
}

// list is a JSON array.
type list struct {
	traits.Lister
	bytes int
}

func (l *list) weight() int { return l.bytes }

// list returns the array at an index. It is kept: a loop may read it often.
func (d *document) list(at int32) ref.Val {
	if l, ok := d.made[at]; ok {
		return l
	}
	var items []any
	for i, end := at+1, d.index[at].next; i < end; i = d.index[i].next {
		items = append(items, place(i))
	}
	l := &list{types.NewDynamicList(d, items), int(d.index[at].end - d.index[at].start)}
	return d.keep(at, l)
}

func (d *document) keep(at int32, v ref.Val) ref.Val {
	if d.made == nil {
		d.made = make(map[int32]ref.Val)
	}
	d.made[at] = v
	return v
}

// place stands for a value that is not made yet.
type place int32

// NativeToValue implements [types.Adapter] for the items of lists and objects.
func (d *document) NativeToValue(v any) ref.Val {
	if at, ok := v.(place); ok {
		return d.value(int32(at))
	}
	return types.DefaultTypeAdapter.NativeToValue(v)
}
