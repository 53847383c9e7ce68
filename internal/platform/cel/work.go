package cel

import (
	"errors"
	"regexp"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/functions"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"cel.dev/cel-go/interpreter"
)

// CEL charges for a call after it was made, and charges almost nothing where the operands
// have no declared type. Both would let one event with a large body stop the process: a
// replace in 8 MiB of commas makes terabytes. So the calls that can do more than read
// their operands once are checked before they are made (guards), and CallCost charges for
// the size of operands that CEL does not look at.
const (
	maxSteps     = 40_000_000 // of one search: a few tenths of a second
	maxResult    = 16 << 20   // bytes of a text that one call makes
	maxPieces    = 1_000_000  // of one split
	maxFormat    = 10_000     // bytes of a format, which the data may hold
	maxPattern   = 1_000      // bytes of a regular expression that is no literal
	stepsPerUnit = 40         // the work of a regular expression, in CEL's units of cost
	bytesPerUnit = 10         // as CEL counts text
)

var (
	errSteps  = errors.New("a search takes too many steps")
	errResult = errors.New("a text or a list becomes too long")
)

// guards holds the checks of calls by the name of the function. The operands are as the
// declarations of CEL's string functions say, except that each may be of another type.
var guards = map[string]func(args []ref.Val) error{
	"indexOf":     searches,
	"lastIndexOf": searches,
	"replace":     replaces,
	"join":        joins,
	"split": func(args []ref.Val) error {
		return within(strings.Count(text(args[0]), text(args[1])), maxPieces)
	},
	"format": func(args []ref.Val) error { return within(len(text(args[0])), maxFormat) },
}

func within(n, most int) error {
	if n > most {
		return errResult
	}
	return nil
}

// text returns a string, and "" for another value: the call itself refuses that.
func text(v ref.Val) string {
	s, _ := v.(types.String)
	return string(s)
}

func searches(args []ref.Val) error {
	if len(text(args[0]))*len(text(args[1])) > maxSteps {
		return errSteps
	}
	return nil
}

func replaces(args []ref.Val) error {
	in, was, becomes := text(args[0]), text(args[1]), text(args[2])
	if len(becomes) <= len(was) {
		return nil
	}
	return within(len(in)+strings.Count(in, was)*(len(becomes)-len(was)), maxResult)
}

func joins(args []ref.Val) error {
	list, ok := args[0].(traits.Lister)
	if !ok {
		return nil
	}
	separator := 0
	if len(args) > 1 {
		separator = len(text(args[1]))
	}
	all := 0
	for it := list.Iterator(); it.HasNext() == types.True && all <= maxResult; {
		all += separator + len(text(it.Next()))
	}
	return within(all, maxResult)
}

// work bounds the calls of one program.
type work struct {
	env   *cel.Env
	sizes map[string]int // of the programs of those regular expressions that are literals
}

// bound puts the check of a call before it.
func (w *work) bound(i interpreter.InterpretableV2) (interpreter.InterpretableV2, error) {
	call, ok := i.(interpreter.InterpretableCall)
	if !ok {
		return i, nil
	}
	if call.Function() == overloads.Matches {
		return w.matches(call)
	}
	guard, ok := guards[call.Function()]
	if !ok {
		return i, nil
	}
	impl, err := w.implementation(call)
	if impl == nil || err != nil {
		return i, err
	}
	return called(call, func(args ...ref.Val) ref.Val {
		if err := guard(args); err != nil {
			return types.WrapErr(err)
		}
		return impl(args...)
	}), nil
}

func called(call interpreter.InterpretableCall, impl functions.FunctionOp) interpreter.InterpretableV2 {
	return interpreter.NewCall(call.ID(), call.Function(), call.OverloadID(), call.Args(), impl)
}

// implementation returns what the environment calls for the function.
func (w *work) implementation(call interpreter.InterpretableCall) (functions.FunctionOp, error) {
	bindings, err := w.env.Functions()[call.Function()].Bindings()
	if err != nil {
		return nil, err
	}
	for _, b := range bindings {
		if b.Operator != call.OverloadID() && b.Operator != call.Function() {
			continue
		}
		switch n := len(call.Args()); {
		case b.Function != nil:
			return b.Function, nil
		case n == 1 && b.Unary != nil:
			return func(args ...ref.Val) ref.Val { return b.Unary(args[0]) }, nil
		case n == 2 && b.Binary != nil:
			return func(args ...ref.Val) ref.Val { return b.Binary(args[0], args[1]) }, nil
		}
	}
	return nil, nil
}

// matches compiles a regular expression once if it is a literal, and searches only within
// maxSteps. RE2's time is linear in the text, but the factor is the size of its program,
// which a few characters can make large: \pL{1000}.
func (w *work) matches(call interpreter.InterpretableCall) (interpreter.InterpretableV2, error) {
	args := call.Args()
	if len(args) != 2 {
		return call, nil
	}
	literal, ok := args[1].(interpreter.InterpretableConst)
	if !ok {
		return called(call, func(args ...ref.Val) ref.Val {
			pattern, ok := args[1].(types.String)
			if !ok {
				return types.MaybeNoSuchOverloadErr(args[1])
			}
			return matching(args[0], string(pattern), nil, w.size(string(pattern)))
		}), nil
	}
	pattern, ok := literal.Value().(types.String)
	if !ok {
		return call, nil
	}
	re, err := regexp.Compile(string(pattern))
	if err != nil {
		return nil, err
	}
	size, err := types.RegexProgramSize(string(pattern))
	if err != nil {
		return nil, err
	}
	w.sizes[string(pattern)] = size
	return called(call, func(args ...ref.Val) ref.Val { return matching(args[0], "", re, size) }), nil
}

func matching(in ref.Val, pattern string, re *regexp.Regexp, size int) ref.Val {
	s, ok := in.(types.String)
	if !ok {
		return types.MaybeNoSuchOverloadErr(in)
	}
	if (len(s)+1)*size > maxSteps {
		return types.WrapErr(errSteps)
	}
	if re == nil {
		var err error
		if re, err = regexp.Compile(pattern); err != nil {
			return types.WrapErr(err)
		}
	}
	return types.Bool(re.MatchString(string(s)))
}

// size returns the number of instructions of a regular expression. A long one that is no
// literal counts as too large, without being compiled.
func (w *work) size(pattern string) int {
	if n, ok := w.sizes[pattern]; ok {
		return n
	}
	if len(pattern) > maxPattern {
		return maxSteps
	}
	n, err := types.RegexProgramSize(pattern)
	if err != nil {
		return 1 // the call reports it
	}
	return n
}

// reads names the functions that read operands of any size for which CEL charges one
// unit, or a share of what they read.
var reads = map[string]bool{
	operators.Equals: true, operators.NotEquals: true, operators.In: true, overloads.Size: true,
	overloads.TypeConvertInt: true, overloads.TypeConvertUint: true, overloads.TypeConvertDouble: true,
	overloads.TypeConvertBool: true, overloads.TypeConvertTimestamp: true, overloads.TypeConvertDuration: true,
}

// CallCost returns what a call costs, or nil if CEL itself knows.
func (w *work) CallCost(function, overload string, args []ref.Val, result ref.Val) *uint64 {
	var units int
	switch {
	case function == overloads.Matches && len(args) == 2:
		pattern := text(args[1])
		size := w.size(pattern)
		if !types.IsError(result) {
			units = (len(text(args[0])) + 1) * size / stepsPerUnit
		}
		if _, literal := w.sizes[pattern]; !literal && size < maxSteps {
			units += size // it was compiled for this call
		}
	case overload == "" || reads[function]:
		for _, arg := range args {
			units += weight(arg)
		}
		units /= bytesPerUnit
	default:
		return nil
	}
	cost := uint64(1 + units)
	return &cost
}

// weight returns the bytes that reading all of a value takes, about.
func weight(v ref.Val) int {
	switch v := v.(type) {
	case types.String:
		return len(v)
	case types.Bytes:
		return len(v)
	case interface{ weight() int }: // of JSON
		return v.weight()
	case traits.Sizer:
		n, _ := v.Size().(types.Int)
		return bytesPerUnit * int(n)
	}
	return 0
}
