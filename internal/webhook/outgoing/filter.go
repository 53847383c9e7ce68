package outgoing

import (
	"errors"
	"sync"

	celgo "cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"

	"github.com/headgate/headgate/internal/platform/cel"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/webhook/list"
)

const (
	maxFilter  = 1000    // bytes of a filter
	filterCost = 100_000 // bounds the work of a filter for one version
)

var filterEnvironment = sync.OnceValues(func() (*cel.Environment, error) {
	return cel.New(celgo.Variable("data", celgo.DynType), celgo.Variable("externalTaskListId", celgo.StringType), celgo.Variable("version", celgo.IntType))
})

// compileFilter compiles a filter of a registration: CEL over data (the list), its id and
// its version, which gives a boolean.
func compileFilter(text string) (*cel.Program, error) {
	if len(text) > maxFilter {
		return nil, fault.New(fault.Invalid, "filter has at most %d bytes", maxFilter)
	}
	env, err := filterEnvironment()
	if err != nil {
		return nil, err
	}
	p, err := env.Compile(text, filterCost)
	if err != nil {
		return nil, fault.New(fault.Invalid, "filter does not compile: %s", err)
	}
	if k := p.Type().Kind(); k != types.BoolKind && k != types.DynKind {
		return nil, fault.New(fault.Invalid, "filter must give a boolean")
	}
	return p, nil
}

// wants reports whether the target's filter lets the version with these data through. The
// error says why the filter cannot decide. The version is delivered then, so that none is lost.
func (t *Target) wants(l *list.List, data []byte) (bool, error) {
	p, err := compileFilter(t.Filter)
	if err != nil {
		return true, err
	}
	value, err := cel.JSON(data)
	if err != nil {
		return true, err
	}
	out, err := p.Eval(map[string]any{"data": value, "externalTaskListId": l.ID, "version": l.Version})
	if err != nil {
		return true, errors.New(p.Explain(err))
	}
	yes, ok := out.(types.Bool)
	if !ok {
		return true, errors.New("it does not give a boolean")
	}
	return bool(yes), nil
}
