package rest

import (
	"encoding/json"
	"reflect"
	"strings"
	"time"
)

// Equal reports whether two values mean the same. Servers return an instant in another
// form or cut to milliseconds, and a number with other digits (1.50 for 1.5). Such a value
// is no change by others.
func Equal(a, b any) bool {
	if ta, ok := Instant(a); ok && !digits(a) && !(isNumber(a) && isNumber(b)) { // Instant would round numbers
		if tb, ok := Instant(b); ok && !digits(b) {
			return ta.Truncate(time.Millisecond).Equal(tb.Truncate(time.Millisecond))
		}
	}
	x, errX := plain(a)
	y, errY := plain(b)
	return errX == nil && errY == nil && reflect.DeepEqual(x, y)
}

func isNumber(v any) bool {
	switch v.(type) {
	case json.Number, int64, float64:
		return true
	}
	return false
}

// digits reports whether the value is text without the marks of a date. It can be a number
// of anything, so it equals only the same text.
func digits(v any) bool {
	s, ok := v.(string)
	return ok && !strings.ContainsAny(s, "-:")
}

// plain returns the value after a round trip through JSON, with each number a float64.
func plain(v any) (out any, err error) {
	b, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	return out, err
}
