package expression

import (
	"errors"
	"reflect"
	"strings"
	"time"

	celgo "cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/interpreter"
)

// The variable event has a type of its own with declared fields, so that a misspelt field
// is an error when the expression is compiled.
const typeName = "headgate.Event"

var (
	eventType = types.NewObjectType(typeName)
	textMap   = types.NewMapType(types.StringType, types.StringType)
	listMap   = types.NewMapType(types.StringType, types.NewListType(types.StringType))
	dynMap    = types.NewMapType(types.StringType, types.DynType)
)

// declarations lists the fields of event.
var declarations = [...]struct {
	name string
	of   *types.Type
}{
	{"body", types.DynType},
	{"text", types.StringType},
	{"headers", textMap},
	{"headersAll", listMap},
	{"query", textMap},
	{"queryAll", listMap},
	{"method", types.StringType},
	{"eventKey", types.StringType},
	{"cloudEvent", dynMap},
	{"attributes", textMap},
	{"receivedAt", types.TimestampType},
}

// readers has the functions that convert the fields, in the order of declarations.
var readers = [len(declarations)]func(*Event) ref.Val{
	(*Event).body, (*Event).text, (*Event).headers, (*Event).headersAll, (*Event).query, (*Event).queryAll,
	(*Event).method, (*Event).eventKey, (*Event).cloudEvent, (*Event).attributes, (*Event).receivedAt,
}

// field returns a field, and converts it if no expression has read it before.
func (e *Event) field(n int) ref.Val {
	if e.made[n] == nil {
		e.made[n] = readers[n](e)
	}
	return e.made[n]
}

// scope is an Event as the variables of an evaluation.
type scope Event

// ResolveName implements [interpreter.Activation].
func (s *scope) ResolveName(name string) (any, bool) {
	if name != "event" {
		return nil, false
	}
	return (*value)(s), true
}

// Parent implements [interpreter.Activation].
func (s *scope) Parent() interpreter.Activation { return nil }

// value is an Event as a value of CEL.
type value Event

var errNoConversion = errors.New("an event has no other form")

// ConvertToNative implements [ref.Val].
func (v *value) ConvertToNative(reflect.Type) (any, error) { return nil, errNoConversion }

// ConvertToType implements [ref.Val].
func (v *value) ConvertToType(t ref.Type) ref.Val {
	if t == types.TypeType {
		return eventType
	}
	return types.WrapErr(errNoConversion)
}

// Equal implements [ref.Val].
func (v *value) Equal(other ref.Val) ref.Val { return types.Bool(ref.Val(v) == other) }

// Type implements [ref.Val].
func (v *value) Type() ref.Type { return eventType }

// Value implements [ref.Val].
func (v *value) Value() any { return v }

// declared adds the type of event to an environment.
func declared(env *celgo.Env) (*celgo.Env, error) {
	p := provider{Provider: env.CELTypeProvider(), fields: make(map[string]*types.FieldType)}
	for n, d := range declarations {
		p.names = append(p.names, d.name)
		p.fields[d.name] = &types.FieldType{
			Type:    d.of,
			IsSet:   func(target any) bool { return isSet(target, n) },
			GetFrom: func(target any) (any, error) { return get(target, n) },
		}
	}
	return celgo.CustomTypeProvider(p)(env)
}

func get(target any, n int) (any, error) {
	v, ok := target.(*value)
	if !ok {
		return nil, errNoConversion
	}
	return (*Event)(v).field(n), nil
}

// isSet reports whether a field is neither null nor an empty map.
func isSet(target any, n int) bool {
	v, err := get(target, n)
	if err != nil || v == types.NullValue {
		return false
	}
	m, ok := v.(interface{ empty() bool })
	return !ok || !m.empty()
}

// provider knows the type of event beside the standard ones.
type provider struct {
	types.Provider
	fields map[string]*types.FieldType
	names  []string
}

// FindStructType implements [types.Provider].
func (p provider) FindStructType(name string) (*types.Type, bool) {
	if name == typeName {
		return types.NewTypeTypeWithParam(eventType), true
	}
	return p.Provider.FindStructType(name)
}

// FindStructFieldNames implements [types.Provider].
func (p provider) FindStructFieldNames(name string) ([]string, bool) {
	if name == typeName {
		return p.names, true
	}
	return p.Provider.FindStructFieldNames(name)
}

// FindStructFieldType implements [types.Provider].
func (p provider) FindStructFieldType(name, field string) (*types.FieldType, bool) {
	if name == typeName {
		f, ok := p.fields[field]
		return f, ok
	}
	return p.Provider.FindStructFieldType(name, field)
}

// zones refuses time zones that depend on the machine, and those that do not exist.
type zones struct{}

// Name implements [celgo.ASTValidator].
func (zones) Name() string { return "headgate.zones" }

// Validate implements [celgo.ASTValidator].
func (zones) Validate(_ *celgo.Env, _ celgo.ValidatorConfig, a *ast.AST, issues *celgo.Issues) {
	ast.PostOrderVisit(a.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.CallKind || !e.AsCall().IsMemberFunction() || e.AsCall().Target() == nil {
			return
		}
		call := e.AsCall()
		if a.GetType(call.Target().ID()).Kind() != types.TimestampKind || len(call.Args()) != 1 {
			return
		}
		arg := call.Args()[0]
		if arg.Kind() != ast.LiteralKind {
			return
		}
		zone, ok := arg.AsLiteral().(types.String)
		if !ok {
			return
		}
		if _, err := time.LoadLocation(string(zone)); zone == "Local" || err != nil && !strings.Contains(string(zone), ":") {
			issues.ReportErrorAtID(arg.ID(), "there is no time zone %q", string(zone))
		}
	}))
}
