package mapping

import (
	"encoding/json"
	"fmt"
	"sync"
	"time"

	celgo "cel.dev/cel-go/cel"
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
		v, err := cel.Native(out)
		return plainZones(v), err
	}, nil
}

// plainZones puts all times of a value in UTC. A zoneless time stays one: the field may name
// its zone.
func plainZones(v any) any {
	switch v := v.(type) {
	case time.Time:
		if v.Location() != source.Zoneless {
			return v.UTC()
		}
	case []any:
		for i := range v {
			v[i] = plainZones(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = plainZones(v[k])
		}
	}
	return v
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
