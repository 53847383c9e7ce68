// Package record is the pure core of records: their canonical JSON, their stored form,
// the differences between two of them, and the three-way merge. It reads no clock and
// does no I/O. A value that has no canonical JSON is an error, or counts as different
// from every other, so that it is never taken for unchanged.
package record

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/headgate/headgate/internal/platform/decode"
)

// Canonical returns a value as canonical JSON: members sorted by name, no spaces, only
// necessary escapes, and one exact spelling for each number. v must have the types that
// encoding/json decodes to, or integers. NaN, infinities, numbers of more than 400 bytes
// and text that is not UTF-8 are errors.
func Canonical(v any) ([]byte, error) { return AppendCanonical(nil, v) }

// AppendCanonical appends the canonical JSON of v to b.
func AppendCanonical(b []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...), nil
	case bool:
		return strconv.AppendBool(b, v), nil
	case string:
		return AppendString(b, v)
	case int:
		return strconv.AppendInt(b, int64(v), 10), nil
	case int64:
		return strconv.AppendInt(b, v, 10), nil
	case uint64:
		return strconv.AppendUint(b, v, 10), nil
	case float64:
		return appendFloat(b, v)
	case json.Number:
		return appendNumber(b, v)
	case json.RawMessage:
		x, err := decodeValue(v)
		if err != nil {
			return nil, err
		}
		return AppendCanonical(b, x)
	case map[string]any:
		return appendObject(b, v)
	case []any:
		b = append(b, '[')
		for i, x := range v {
			if i > 0 {
				b = append(b, ',')
			}
			var err error
			if b, err = AppendCanonical(b, x); err != nil {
				return nil, err
			}
		}
		return append(b, ']'), nil
	default:
		return nil, fmt.Errorf("a value of type %T cannot be written as JSON", v)
	}
}

func appendObject(b []byte, m map[string]any) ([]byte, error) {
	names := make([]string, 0, len(m))
	for n := range m {
		names = append(names, n)
	}
	slices.Sort(names)
	b = append(b, '{')
	for i, n := range names {
		if i > 0 {
			b = append(b, ',')
		}
		var err error
		if b, err = AppendString(b, n); err != nil {
			return nil, err
		}
		b = append(b, ':')
		if b, err = AppendCanonical(b, m[n]); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

var errUTF8 = errors.New("text is not UTF-8")

const hexDigits = "0123456789abcdef"

// AppendString appends s as a JSON string, with only the escapes that JSON demands.
func AppendString(b []byte, s string) ([]byte, error) {
	b = append(b, '"')
	start, ascii := 0, true
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= utf8.RuneSelf {
			ascii = false
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[start:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		start = i + 1
	}
	if !ascii && !utf8.ValidString(s) {
		return nil, errUTF8
	}
	return append(append(b, s[start:]...), '"'), nil
}

// Decode decodes a JSON object. A number becomes an int64 if it is an integer that fits,
// a float64 if that is exact, and otherwise a json.Number.
func Decode(data []byte) (map[string]any, error) {
	v, err := decodeValue(data)
	if err != nil {
		return nil, err
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("the data is not a JSON object")
	}
	return m, nil
}

func decodeValue(data []byte) (any, error) {
	v, err := decode.One(data)
	if err != nil {
		return nil, err
	}
	return Plain(v), nil
}

// Plain replaces each json.Number in v by an int64 or float64, if that is exactly the same
// number.
func Plain(v any) any {
	switch v := v.(type) {
	case json.Number:
		s := v.String()
		if i, err := strconv.ParseInt(s, 10, 64); err == nil {
			return i
		}
		if f, err := strconv.ParseFloat(s, 64); err == nil && strings.ContainsAny(s, ".eE") && sameNumber(s, f) {
			return f
		}
	case map[string]any:
		for k, x := range v {
			v[k] = Plain(x)
		}
	case []any:
		for i, x := range v {
			v[i] = Plain(x)
		}
	}
	return v
}
