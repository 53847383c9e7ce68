package decode

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// kind names the type of a JSON value, as messages use it.
type kind string

const (
	null    kind = "null"
	boolean kind = "true or false"
	number  kind = "a number"
	str     kind = "a string"
	array   kind = "an array"
	object  kind = "an object"
)

// failure is a text that is not one JSON value.
type failure struct{ kind, text string }

// nothing is decoded from any JSON value without a copy of it.
type nothing struct{}

// UnmarshalJSON implements [json.Unmarshaler].
func (*nothing) UnmarshalJSON([]byte) error { return nil }

// check returns what keeps data from being exactly one JSON value, and where. What it
// lets pass can be walked without errors, and is nested no deeper than encoding/json
// allows, which bounds the stack of the walk.
func check(data []byte, utf8Only bool) (where string, fails *failure) {
	if len(bytes.TrimSpace(data)) == 0 {
		return "", &failure{"not JSON", "it is empty"}
	}
	if bad := invalidUTF8(data); utf8Only && bad >= 0 {
		return position(data, bad), &failure{"not UTF-8", ""}
	}
	err := json.Unmarshal(data, new(nothing))
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return position(data, int(syntax.Offset)-1) + ": ", &failure{"not JSON", syntax.Error()}
	}
	if err != nil {
		return "", &failure{"not JSON", err.Error()}
	}
	return "", nil
}

// invalidUTF8 returns the offset of the first byte that is not UTF-8, or -1.
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

// text is walked from one value to the next. It was checked before, so that the walk
// need not look for errors.
type text struct {
	data []byte
	at   int
}

// kind returns what the next value is.
func (t *text) kind() kind {
	t.space()
	switch t.data[t.at] {
	case '{':
		return object
	case '[':
		return array
	case '"':
		return str
	case 't', 'f':
		return boolean
	case 'n':
		return null
	default:
		return number
	}
}

func (t *text) space() {
	for t.at < len(t.data) {
		switch t.data[t.at] {
		case ' ', '\t', '\r', '\n', ',', ':':
			t.at++
		default:
			return
		}
	}
}

// enter steps into an object or an array.
func (t *text) enter() {
	t.space()
	t.at++
}

// more reports whether another item of the object or array follows, and leaves it where
// none does.
func (t *text) more() bool {
	t.space()
	if c := t.data[t.at]; c == '}' || c == ']' {
		t.at++
		return false
	}
	return true
}

// raw returns the next value as it is written.
func (t *text) raw() []byte {
	t.space()
	start, depth := t.at, 0
	for {
		switch c := t.data[t.at]; c {
		case '"':
			t.skipString()
		case '{', '[':
			depth++
			t.at++
		case '}', ']':
			depth--
			t.at++
		case ' ', '\t', '\r', '\n', ',', ':':
			t.at++
			continue
		default:
			t.skipWord()
		}
		if depth == 0 {
			return t.data[start:t.at]
		}
	}
}

func (t *text) skipString() {
	for t.at++; t.data[t.at] != '"'; t.at++ {
		if t.data[t.at] == '\\' {
			t.at++
		}
	}
	t.at++
}

// skipWord passes over a number, true, false or null.
func (t *text) skipWord() {
	for t.at < len(t.data) {
		switch t.data[t.at] {
		case ' ', '\t', '\r', '\n', ',', ':', '}', ']':
			return
		}
		t.at++
	}
}

// string returns the next value, which is a string or a name.
func (t *text) string() (s string) {
	raw := t.raw()
	if inner := raw[1 : len(raw)-1]; bytes.IndexByte(inner, '\\') < 0 && utf8.Valid(inner) {
		return string(inner)
	}
	_ = json.Unmarshal(raw, &s) // it was checked
	return s
}

// errMore says that a text is not exactly one JSON value.
var errMore = errors.New("there is more than one JSON value")

// End returns an error unless the decoder has read the whole of its text.
func End(d *json.Decoder) error {
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errMore
	}
	return nil
}

// One reads exactly one JSON value. Its numbers are a json.Number, with all their digits. It
// refuses bytes that are not UTF-8 and half a surrogate pair. encoding/json replaces them by
// U+FFFD, so that two texts, or two names of an object, become one.
func One(data []byte) (v any, err error) {
	switch {
	case !utf8.Valid(data):
		return nil, errNotUTF8
	case LoneSurrogate(data):
		return nil, errSurrogate
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	return v, End(d)
}
