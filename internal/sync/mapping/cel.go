package mapping

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"sync"
	"time"

	celgo "cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/ext"

	"github.com/headgate/headgate/internal/platform/cel"
	"github.com/headgate/headgate/internal/record"
	"github.com/headgate/headgate/internal/sync/source"
)

// celCost bounds the work of an expression for one row, in CEL's own units. A definition
// may hold any expression, and without the bound one row could stop a run.
const celCost = 100_000

var environment = sync.OnceValues(func() (*cel.Environment, error) {
	return cel.New(
		celgo.Variable("row", celgo.MapType(celgo.StringType, celgo.DynType)),
		ext.Strings(), ext.Math(),
	)
})

// compileCEL compiles an expression. The expression reads the row's values by column from
// the variable row.
func compileCEL(text string) (func(source.Row) (any, error), error) {
	env, err := environment()
	if err != nil {
		return nil, err
	}
	program, err := env.Compile(text, celCost)
	if err != nil {
		return nil, err
	}
	return func(row source.Row) (any, error) {
		out, err := program.Eval(map[string]any{"row": celRow(row)})
		if err != nil {
			return nil, fmt.Errorf("the expression fails: %s", err)
		}
		return native(out)
	}, nil
}

// celRow returns the row as a map, with its JSON numbers as numbers that CEL knows.
func celRow(row source.Row) map[string]any {
	m := row.Map()
	for k, v := range m {
		if n, ok := v.(json.Number); ok {
			v = record.Plain(n)
			if n, ok := v.(json.Number); ok {
				v = n.String()
			}
			m[k] = v
		}
	}
	return m
}

var jsonType = reflect.TypeFor[any]()

// native converts a value of CEL into one that a row may hold.
func native(v ref.Val) (any, error) {
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
		return plainZone(v.Time), nil
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

// nativeOf converts lists, maps and the values that native does not know.
func nativeOf(v ref.Val) (any, error) {
	switch x := v.Value().(type) {
	case []any:
		return each(x)
	case []ref.Val:
		out := make([]any, len(x))
		for i, e := range x {
			n, err := native(e)
			if err != nil {
				return nil, err
			}
			out[i] = n
		}
		return out, nil
	case map[string]any:
		out := make(map[string]any, len(x))
		for k, e := range x {
			n, err := native(types.DefaultTypeAdapter.NativeToValue(e))
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
			n, err := native(e)
			if err != nil {
				return nil, err
			}
			out[string(name)] = n
		}
		return out, nil
	case time.Time:
		return plainZone(x), nil
	}
	out, err := v.ConvertToNative(jsonType)
	if err != nil {
		return nil, fmt.Errorf("the expression gives a %s, which has no JSON", v.Type().TypeName())
	}
	return out, nil
}

// plainZone returns the time in UTC. A zoneless time stays one: the field may name its zone.
func plainZone(t time.Time) time.Time {
	if t.Location() == source.Zoneless {
		return t
	}
	return t.UTC()
}

// each converts the elements of a list.
func each(list []any) ([]any, error) {
	out := make([]any, len(list))
	for i, e := range list {
		n, err := native(types.DefaultTypeAdapter.NativeToValue(e))
		if err != nil {
			return nil, err
		}
		out[i] = n
	}
	return out, nil
}
