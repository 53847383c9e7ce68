// Package cel compiles and runs the CEL expressions of configurations and definitions:
// one place for their faults, for the bounds of their work, for JSON as CEL sees it, and
// for results as text.
//
// An operator writes an expression, and anybody may send the data that it reads. So the
// work and the memory of an evaluation are bounded whatever the data are, and Explain
// describes a failure without any of the data. A Program is safe for concurrent use.
package cel

import (
	"fmt"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// Environment compiles expressions over the same variables and functions. It is expensive
// to make and never changes.
type Environment struct {
	env *cel.Env
	// compiling allows one compilation at a time. An environment that reports a fault
	// writes to its own fields, which a second compilation would read at the same time.
	compiling sync.Mutex
}

// labelled gives cel-go's shared error a node once. Otherwise each evaluation that fails
// with it would write the node, and several would do so at the same time.
var labelled = sync.OnceFunc(func() { types.LabelErrNode(-1, types.NoSuchOverloadErr()) })

// New returns an environment with CEL's standard functions and the options. Times are in
// UTC unless an expression names another zone.
func New(options ...cel.EnvOption) (*Environment, error) {
	labelled()
	env, err := cel.NewEnv(append([]cel.EnvOption{cel.DefaultUTCTimeZone(true)}, options...)...)
	if err != nil {
		return nil, err
	}
	return &Environment{env: env}, nil
}

// Issue is one fault of an expression, with its place in the text. Lines and columns
// start at 1.
type Issue struct {
	Line, Column int
	Message      string
}

func (i Issue) String() string { return fmt.Sprintf("%d:%d: %s", i.Line, i.Column, i.Message) }

// Error says why an expression does not compile: its first fault, and the others.
type Error struct {
	Issue
	More []Issue
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.String())
	for _, i := range e.More {
		b.WriteString("; " + i.String())
	}
	return b.String()
}

// Fault returns the error of an expression that is refused as a whole.
func Fault(format string, args ...any) *Error {
	return &Error{Issue: Issue{Line: 1, Column: 1, Message: fmt.Sprintf(format, args...)}}
}

// Program is a compiled expression.
type Program struct {
	program cel.Program
	ast     *ast.AST
	names   map[string]bool // the keys that the text of the expression names
}

// Compile compiles an expression. limit bounds the work of an evaluation, in CEL's units:
// about one for each operation, and one for ten bytes of text that an operation reads.
// The error is an *Error.
func (e *Environment) Compile(text string, limit uint64) (*Program, error) {
	e.compiling.Lock()
	defer e.compiling.Unlock()
	checked, issues := e.env.Compile(text)
	if issues.Err() != nil {
		return nil, compileError(issues.Errors())
	}
	p := &Program{ast: checked.NativeRep(), names: make(map[string]bool)}
	work := &work{env: e.env, sizes: make(map[string]int)}
	program, err := e.env.Program(checked, cel.CustomDecoratorV2(work.bound), cel.CostTracking(work), cel.CostLimit(limit))
	if err != nil {
		return nil, Fault("%s", err)
	}
	p.program = program
	ast.PostOrderVisit(p.ast.Expr(), ast.NewExprVisitor(p.name))
	return p, nil
}

func compileError(errs []*common.Error) *Error {
	out := &Error{}
	for n, e := range errs {
		message, _, _ := strings.Cut(e.Message, " (in container ") // which nobody configures
		issue := Issue{Line: max(e.Location.Line(), 1), Column: max(e.Location.Column(), 0) + 1, Message: message}
		if n == 0 {
			out.Issue = issue
		} else {
			out.More = append(out.More, issue)
		}
	}
	return out
}

// name notes a key that the expression names: such a key is no value of the data.
func (p *Program) name(e ast.Expr) {
	switch e.Kind() {
	case ast.SelectKind:
		p.names[e.AsSelect().FieldName()] = true
	case ast.LiteralKind:
		if s, ok := e.AsLiteral().(types.String); ok {
			p.names[string(s)] = true
		}
	}
}

// Type returns the type of the result, as far as it is known without data.
func (p *Program) Type() *types.Type { return p.ast.GetType(p.ast.Expr().ID()) }

// Eval evaluates the expression for the variables: a map by name, or an activation. The
// error may hold values of the data; Explain describes it without them.
func (p *Program) Eval(variables any) (ref.Val, error) {
	out, _, err := p.program.Eval(variables)
	return out, err
}
