package incoming

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"cel.dev/cel-go/cel"

	"github.com/headgate/headgate/internal/platform/decode"
)

// celCost bounds the work of an expression for one webhook.
const celCost = 100_000

// Expression is a CEL expression over body (the JSON) and headers (by lower-case name).
type Expression struct{ program cel.Program }

// Compile compiles an expression whose result is text.
func Compile(text string) (*Expression, error) {
	env, err := cel.NewEnv(cel.Variable("body", cel.DynType), cel.Variable("headers", cel.MapType(cel.StringType, cel.StringType)))
	if err != nil {
		return nil, err
	}
	ast, issues := env.Compile(text)
	if issues.Err() != nil {
		return nil, issues.Err()
	}
	program, err := env.Program(ast, cel.CostLimit(celCost))
	if err != nil {
		return nil, err
	}
	return &Expression{program}, nil
}

// text evaluates the expression to text. Numbers are written as such.
func (e *Expression) text(vars map[string]any) (string, error) {
	out, _, err := e.program.Eval(vars)
	if err != nil {
		return "", err
	}
	switch v := out.Value().(type) {
	case string:
		return v, nil
	case int64, uint64:
		return fmt.Sprint(v), nil
	case float64: // without an exponent: ids have none
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	}
	return "", fmt.Errorf("its result is a %s, and must be text", out.Type().TypeName())
}

// parse reads JSON and keeps whole numbers as integers. As floating point, a long id
// would lose digits and be written with an exponent, and then name another entity.
func parse(body []byte) (value any, err error) {
	if value, err = decode.One(body); err != nil {
		return nil, err
	}
	return numbers(value)
}

// numbers replaces every json.Number in v by a number that CEL knows.
func numbers(v any) (out any, err error) {
	switch v := v.(type) {
	case json.Number:
		return number(v.String())
	case []any:
		for i := range v {
			if v[i], err = numbers(v[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for k := range v {
			if v[k], err = numbers(v[k]); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

// number returns an int64, a uint64 or a float64. A whole number that is too long for
// them becomes text: only ids are that long.
func number(s string) (any, error) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n, nil
	}
	if n, err := strconv.ParseUint(s, 10, 64); err == nil {
		return n, nil
	}
	if !strings.ContainsAny(s, ".eE") {
		return s, nil
	}
	return strconv.ParseFloat(s, 64)
}
