package outgoing

import (
	"errors"
	"sync"

	celgo "cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"

	"github.com/headgate/headgate/internal/platform/cel"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/webhook/list"
	"github.com/headgate/headgate/internal/webhook/occurrence"
)

const (
	maxFilter  = 1000    // bytes of a filter
	filterCost = 100_000 // bounds the work of a filter for one version
)

var (
	// ofVersions has the variables of a list's version: data (the list), its id, its version.
	ofVersions = sync.OnceValues(func() (*cel.Environment, error) {
		return cel.New(celgo.Variable("data", celgo.DynType), celgo.Variable("externalTaskListId", celgo.StringType), celgo.Variable("version", celgo.IntType))
	})
	// ofOccurrences has the attributes and the data of the CloudEvent.
	ofOccurrences = sync.OnceValues(func() (*cel.Environment, error) {
		return cel.New(celgo.Variable("data", celgo.DynType), celgo.Variable("type", celgo.StringType),
			celgo.Variable("source", celgo.StringType), celgo.Variable("subject", celgo.StringType))
	})
)

// compileFilter compiles a filter of a registration, which gives a boolean.
func compileFilter(text string, environment func() (*cel.Environment, error)) (*cel.Program, error) {
	if len(text) > maxFilter {
		return nil, fault.New(fault.Invalid, "filter has at most %d bytes", maxFilter)
	}
	env, err := environment()
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
	return t.letsThrough(ofVersions, data, map[string]any{"externalTaskListId": l.ID, "version": l.Version})
}

// wantsOccurrence is wants for an occurrence.
func (t *Target) wantsOccurrence(o *occurrence.Occurrence, data []byte) (bool, error) {
	return t.letsThrough(ofOccurrences, data, map[string]any{"type": o.Type, "source": o.Source, "subject": o.Subject})
}

func (t *Target) letsThrough(environment func() (*cel.Environment, error), data []byte, variables map[string]any) (bool, error) {
	p, err := compileFilter(t.Filter, environment)
	if err != nil {
		return true, err
	}
	if variables["data"], err = cel.JSON(data); err != nil {
		return true, err
	}
	out, err := p.Eval(variables)
	if err != nil {
		return true, errors.New(p.Explain(err))
	}
	yes, ok := out.(types.Bool)
	if !ok {
		return true, errors.New("it does not give a boolean")
	}
	return bool(yes), nil
}
