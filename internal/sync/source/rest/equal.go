package rest

import (
	"encoding/json"
	"reflect"
	"time"
)

// Equal reports whether two values mean the same. Servers return an instant in another
// form or cut to milliseconds, and a number with other digits (1.50 for 1.5). Such a value
// is no change by others.
func Equal(a, b any) bool {
	_, numberA := a.(json.Number)
	_, numberB := b.(json.Number)
	if ta, ok := Instant(a); ok && !(numberA && numberB) { // Instant would round numbers
		if tb, ok := Instant(b); ok {
			return ta.Truncate(time.Millisecond).Equal(tb.Truncate(time.Millisecond))
		}
	}
	x, errX := plain(a)
	y, errY := plain(b)
	return errX == nil && errY == nil && reflect.DeepEqual(x, y)
}

// plain returns the value after a round trip through JSON, with each number a float64.
func plain(v any) (out any, err error) {
	b, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	return out, err
}
