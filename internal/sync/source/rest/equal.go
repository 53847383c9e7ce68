package rest

import (
	"encoding/json"
	"reflect"
	"time"
)

// Equal reports whether two values say the same, perhaps in other words: an instant may
// have another form or lose what is below a millisecond, and a number may be written in
// another way.
func Equal(a, b any) bool {
	_, numberA := a.(json.Number)
	_, numberB := b.(json.Number)
	if ta, ok := Instant(a); ok && !(numberA && numberB) { // which Instant would round
		if tb, ok := Instant(b); ok {
			return ta.Truncate(time.Millisecond).Equal(tb.Truncate(time.Millisecond))
		}
	}
	x, errX := plain(a)
	y, errY := plain(b)
	return errX == nil && errY == nil && reflect.DeepEqual(x, y)
}

// plain is the value as JSON has it, each number a float64.
func plain(v any) (out any, err error) {
	b, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	return out, err
}
