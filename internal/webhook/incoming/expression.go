package incoming

import (
	"errors"
	"sync"

	celgo "cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"

	"github.com/headgate/headgate/internal/platform/cel"
)

// celCost bounds the work of an expression for one webhook.
const celCost = 100_000

var environment = sync.OnceValues(func() (*cel.Environment, error) {
	return cel.New(celgo.Variable("body", celgo.DynType), celgo.Variable("headers", celgo.MapType(celgo.StringType, celgo.StringType)))
})

// Expression is a CEL expression over body (the JSON) and headers (by lower-case name).
type Expression struct{ program *cel.Program }

// Compile compiles an expression whose result is text.
func Compile(text string) (*Expression, error) {
	env, err := environment()
	if err != nil {
		return nil, err
	}
	program, err := env.Compile(text, celCost)
	if err != nil {
		return nil, err
	}
	return &Expression{program}, nil
}

// text evaluates the expression to text. A boolean is refused: it names no entity.
func (e *Expression) text(vars map[string]any) (string, error) {
	out, err := e.program.Eval(vars)
	if err != nil {
		return "", err
	}
	if _, ok := out.(types.Bool); ok {
		return "", errors.New("it gives a boolean, and text is needed")
	}
	return cel.Text(out)
}
