package decode

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

var (
	errNotUTF8   = errors.New("the JSON is not UTF-8")
	errSurrogate = errors.New("the JSON has half a surrogate pair, which stands for no character")
)

// LoneSurrogate reports whether JSON has the escape of half a surrogate pair. encoding/json
// makes one and the same character of all of them, so two values would become one.
func LoneSurrogate(data []byte) bool {
	for {
		i := bytes.IndexByte(data, '\\')
		if i < 0 {
			return false
		}
		r, n := escaped(data[i:])
		if n == 0 {
			return false // not JSON: the text ends within an escape
		}
		if utf16.IsSurrogate(r) {
			return true
		}
		data = data[i+n:]
	}
}

// escaped returns the character of the escape that data begins with, and the length of the
// escape. Two escapes of a surrogate pair are one. The character of half a pair is that
// half.
func escaped(data []byte) (rune, int) {
	if len(data) < 2 {
		return 0, 0
	}
	r, ok := unit(data)
	if !ok {
		return 0, 2
	}
	if utf16.IsSurrogate(r) {
		if low, ok := unit(data[6:]); ok {
			if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
				return pair, 12
			}
		}
	}
	return r, 6
}

// unit returns the code unit of an escape such as \u00e9, and reports whether data begins
// with one.
func unit(data []byte) (rune, bool) {
	if len(data) < 6 || data[0] != '\\' || data[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(data[2:6]), 16, 16)
	return rune(n), err == nil
}

// Lossless reads exactly one JSON value like [One], except that it also reads text that is
// no valid text, and keeps it apart from every other text: bytes that are not UTF-8 stay as
// they are, and half a surrogate pair becomes three bytes that are not UTF-8 either. So a
// caller can refuse only the value with that text, by utf8.ValidString.
func Lossless(data []byte) (any, error) {
	if utf8.Valid(data) && !LoneSurrogate(data) {
		return One(data)
	}
	if where, fails := check(data, false); fails != nil {
		return nil, errors.New(fails.kind + ": " + where + fails.text)
	}
	return (&text{data: data}).lossless(), nil
}

func (t *text) lossless() any {
	switch t.kind() {
	case object:
		out := make(map[string]any)
		for t.enter(); t.more(); {
			name := losslessString(t.raw())
			out[name] = t.lossless()
		}
		return out
	case array:
		out := []any{}
		for t.enter(); t.more(); {
			out = append(out, t.lossless())
		}
		return out
	case str:
		return losslessString(t.raw())
	case number:
		return json.Number(t.raw())
	case null:
		t.raw()
		return nil
	default:
		return t.raw()[0] == 't'
	}
}

var shortEscapes = map[byte]byte{'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

func losslessString(raw []byte) string {
	raw = raw[1 : len(raw)-1]
	out := make([]byte, 0, len(raw))
	for len(raw) > 0 {
		if raw[0] != '\\' {
			out, raw = append(out, raw[0]), raw[1:]
			continue
		}
		r, n := escaped(raw)
		switch {
		case n == 2:
			c, ok := shortEscapes[raw[1]]
			if !ok {
				c = raw[1]
			}
			out = append(out, c)
		case utf16.IsSurrogate(r):
			out = append(out, byte(0xe0|r>>12), byte(0x80|r>>6&0x3f), byte(0x80|r&0x3f))
		default:
			out = utf8.AppendRune(out, r)
		}
		raw = raw[n:]
	}
	return string(out)
}
