package cel

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// Text returns a result as text: a string, or a number or a boolean as JSON spells it.
// A number has no exponent, which an id is never written with: 1e21 gives
// "1000000000000000000000". Equal numbers give equal text.
//
// The text names something, so two texts must not become one. A string with U+FFFD is
// refused, for it stands for whatever could not be read: bytes that are not UTF-8, or half
// a surrogate pair.
func Text(v ref.Val) (string, error) {
	switch v := v.(type) {
	case types.String:
		if strings.ContainsRune(string(v), utf8.RuneError) {
			return "", errors.New("it gives text with the character U+FFFD, which stands for what is not UTF-8")
		}
		return string(v), nil
	case types.Bool:
		return strconv.FormatBool(bool(v)), nil
	case types.Int:
		return strconv.FormatInt(int64(v), 10), nil
	case types.Uint:
		return strconv.FormatUint(uint64(v), 10), nil
	case types.Double:
		f := float64(v)
		switch {
		case math.IsNaN(f) || math.IsInf(f, 0):
			return "", errors.New("it gives a number that is not finite")
		case f == 0: // also for -0
			return "0", nil
		}
		return strconv.FormatFloat(f, 'f', -1, 64), nil
	}
	return "", fmt.Errorf("it gives %s, and text is needed", Kind(v.Type().TypeName()))
}

// Kind names a type of CEL for people: "a list", "null".
func Kind(typeName string) string {
	if name, ok := kinds[typeName]; ok {
		return name
	}
	return "a " + typeName
}

var kinds = map[string]string{
	"null_type": "null", "bool": "a boolean", "int": "an integer", "uint": "an integer", "bytes": "bytes", "optional_type": "an optional value",
	"google.protobuf.Timestamp": "a timestamp", "google.protobuf.Duration": "a duration",
}
