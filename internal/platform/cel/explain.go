package cel

import (
	"errors"
	"fmt"
	"strings"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/interpreter"
)

// explanations maps the beginning of CEL's message to what Explain says. CEL's own words
// often hold the value that failed.
var explanations = []struct{ begins, text string }{
	{"index out of bounds", "a list has no element at this index"},
	{"index '", "a list has no element at this index"},
	{"index out of range", "a position is outside of the text"},
	{"invalid substring range", "a position is outside of the text"},
	{"no such overload", "a value has a type that this operation does not take"},
	{"unsupported index", "a list has no element at this index"},
	{"type conversion error", "a value cannot be converted to this type"},
	{"invalid RFC 3339 timestamp", "a text is not an RFC 3339 time"},
	{"optional.none() dereference", "an optional value is missing"},
	{"division by zero", "it divides by zero"},
	{"modulus by zero", "it divides by zero"},
	{"integer overflow", "a number is out of range"},
	{"unsigned integer overflow", "a number is out of range"},
	{"timestamp overflow", "a time is out of range"},
	{"duration overflow", "a duration is out of range"},
	{"NaN", "a number is not a number (NaN)"},
	{"unknown time zone", "a time zone is not known"},
	{"timezone", "a time zone is not known"},
	{"error parsing regexp", "a regular expression is not valid"},
	{"insert failed", "a key occurs twice in a map"},
}

// Explain says why an evaluation failed, and where in the text of the expression. It never
// contains a value of the data, not even a key that the expression computed from them.
func (p *Program) Explain(err error) string {
	text := p.explain(err)
	if failed, ok := errors.AsType[*types.Err](err); ok {
		if at := p.ast.SourceInfo().GetStartLocation(failed.NodeID()); failed.NodeID() > 0 && at.Line() > 0 {
			return fmt.Sprintf("%s (at %d:%d)", text, at.Line(), at.Column()+1)
		}
	}
	return text
}

func (p *Program) explain(err error) string {
	if stopped, ok := errors.AsType[interpreter.EvalCancelledError](err); ok && stopped.Cause == interpreter.CostLimitExceeded {
		return "it takes more work than one evaluation may"
	}
	for _, bound := range []error{errSteps, errResult} {
		if errors.Is(err, bound) {
			return bound.Error()
		}
	}
	message := err.Error()
	if key, ok := strings.CutPrefix(message, "no such key: "); ok {
		if p.names[key] {
			return fmt.Sprintf("there is no %q", key)
		}
		return "a key that the expression computes is missing"
	}
	for _, e := range explanations {
		if strings.HasPrefix(message, e.begins) {
			return e.text
		}
	}
	return "it cannot be evaluated"
}
