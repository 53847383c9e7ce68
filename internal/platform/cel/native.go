package cel

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"time"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

var jsonType = reflect.TypeFor[any]()

// Native returns a result as a value of JSON or a time: nil, bool, int64, float64, string,
// json.Number, time.Time, []any or map[string]any.
func Native(v ref.Val) (any, error) {
	switch v := v.(type) {
	case types.Null:
		return nil, nil
	case types.Bool:
		return bool(v), nil
	case types.Int:
		return int64(v), nil
	case types.Uint:
		if v > math.MaxInt64 {
			return json.Number(strconv.FormatUint(uint64(v), 10)), nil
		}
		return int64(v), nil // rows hold integers as int64
	case types.Double:
		return float64(v), nil
	case types.String:
		return string(v), nil
	case types.Timestamp:
		return v.Time, nil
	case types.Duration:
		return v.Duration.String(), nil
	case types.Bytes:
		return nil, errors.New("the expression gives bytes, and JSON has none")
	}
	if types.IsUnknownOrError(v) {
		return nil, fmt.Errorf("the expression fails: %v", v)
	}
	return nativeOf(v)
}

// nativeOf converts lists, maps and the values that Native does not know.
func nativeOf(v ref.Val) (any, error) {
	switch x := v.Value().(type) {
	case []any:
		return each(x)
	case []ref.Val:
		out := make([]any, len(x))
		for i, e := range x {
			n, err := Native(e)
			if err != nil {
				return nil, err
			}
			out[i] = n
		}
		return out, nil
	case map[string]any:
		out := make(map[string]any, len(x))
		for k, e := range x {
			n, err := Native(types.DefaultTypeAdapter.NativeToValue(e))
			if err != nil {
				return nil, err
			}
			out[k] = n
		}
		return out, nil
	case map[ref.Val]ref.Val:
		out := make(map[string]any, len(x))
		for k, e := range x {
			name, ok := k.(types.String)
			if !ok {
				return nil, errors.New("the expression gives a map whose keys are not text")
			}
			n, err := Native(e)
			if err != nil {
				return nil, err
			}
			out[string(name)] = n
		}
		return out, nil
	case time.Time:
		return x, nil
	}
	out, err := v.ConvertToNative(jsonType)
	if err != nil {
		return nil, fmt.Errorf("the expression gives a %s, which has no JSON", v.Type().TypeName())
	}
	return out, nil
}

// each converts the elements of a list.
func each(list []any) ([]any, error) {
	out := make([]any, len(list))
	for i, e := range list {
		n, err := Native(types.DefaultTypeAdapter.NativeToValue(e))
		if err != nil {
			return nil, err
		}
		out[i] = n
	}
	return out, nil
}
