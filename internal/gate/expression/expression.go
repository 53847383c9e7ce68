// Package expression evaluates the CEL expressions of a service over one event: its
// correlation key, its filters, and what makes an event distinct.
//
// An expression reads the variable event:
//
//	body        the body as JSON; null if it is not JSON
//	text        the body as text
//	headers     by lower-case name, the first value (headersAll: all values)
//	query       by lower-case name, the first value (queryAll: all values)
//	method      of the HTTP request
//	eventKey    of the endpoint
//	cloudEvent  the CloudEvents attributes; empty if the event is not a CloudEvent
//	attributes  of a Pub/Sub push; empty if the event is not one
//	receivedAt  a timestamp
//
// It sees the event as it will be stored: without the credentials that event.Rules drops.
// The result depends on the event alone. There is no clock and no chance, and times are in
// UTC unless the expression names a zone.
//
// An error never contains a value of the event, so it may be logged and sent to anybody.
package expression

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	celgo "cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/ext"

	"github.com/headgate/headgate/internal/platform/cel"
)

// Kind is the kind of result that an expression must have.
type Kind string

// The kinds. Text takes a string, or a number or a boolean as JSON spells it. Time takes a
// timestamp, an RFC 3339 string, or a number of seconds since 1970; a number over 1e11 is
// in milliseconds.
const (
	Bool Kind = "a boolean"
	Text Kind = "text"
	Time Kind = "a time"
)

// takes lists the static types that can be of a kind. A dynamic type can be of any.
var takes = map[Kind][]types.Kind{
	Bool: {types.BoolKind},
	Text: {types.StringKind, types.BoolKind, types.IntKind, types.UintKind, types.DoubleKind},
	Time: {types.TimestampKind, types.StringKind, types.IntKind, types.UintKind, types.DoubleKind},
}

const (
	maxLength = 10_000 // bytes of an expression
	maxText   = 64 << 10
	// costLimit bounds the work of an evaluation: some tenths of a second at worst, or
	// reading 10 MB of text once. Reading a body of the largest size as JSON takes as long.
	costLimit = 1_000_000
)

// Error says why an expression does not compile, with the places in its text.
type Error = cel.Error

// Expression is a compiled expression. It is safe for concurrent use.
type Expression struct {
	program *cel.Program
	kind    Kind
}

var environment = sync.OnceValues(func() (*cel.Environment, error) {
	return cel.New(
		celgo.OptionalTypes(), ext.Strings(ext.StringsVersion(5)),
		celgo.ASTValidators(celgo.ValidateRegexLiterals(), celgo.ValidateTimestampLiterals(), celgo.ValidateDurationLiterals(), zones{}),
		declared, celgo.Variable("event", eventType),
	)
})

// Compile compiles an expression whose result must be of a kind. It refuses an expression
// that can never be. The error is an *Error.
func Compile(text string, k Kind) (*Expression, error) {
	switch {
	case strings.TrimSpace(text) == "":
		return nil, cel.Fault("the expression is empty")
	case len(text) > maxLength:
		return nil, cel.Fault("the expression has more than %d bytes", maxLength)
	}
	env, err := environment()
	if err != nil {
		return nil, cel.Fault("%s", err)
	}
	program, err := env.Compile(text, costLimit)
	if err != nil {
		return nil, err
	}
	e := &Expression{program, k}
	if gives := program.Type(); !e.possible(gives.Kind()) {
		more := ""
		if gives.TypeName() == "optional_type" {
			more = ": end it with .orValue(…)"
		}
		return nil, cel.Fault("it gives %s, and %s is needed%s", cel.Kind(gives.TypeName()), k, more)
	}
	return e, nil
}

func (e *Expression) possible(kind types.Kind) bool {
	switch kind {
	case types.DynKind, types.AnyKind, types.TypeParamKind:
		return true
	}
	return slices.Contains(takes[e.kind], kind)
}

func (e *Expression) eval(of *Event) (ref.Val, error) {
	v, err := e.program.Eval((*scope)(of))
	if err != nil {
		return nil, errors.New("the expression fails: " + e.program.Explain(err) + of.why())
	}
	return v, nil
}

func unsuitable(v ref.Val, k Kind) error {
	return fmt.Errorf("the expression gives %s, and %s is needed", cel.Kind(v.Type().TypeName()), k)
}

// Bool evaluates an expression of kind Bool.
func (e *Expression) Bool(of *Event) (bool, error) {
	v, err := e.eval(of)
	if err != nil {
		return false, err
	}
	b, ok := v.(types.Bool)
	if !ok {
		return false, unsuitable(v, Bool)
	}
	return bool(b), nil
}

// Text evaluates an expression of kind Text. The result has at most 64 KiB.
func (e *Expression) Text(of *Event) (string, error) {
	v, err := e.eval(of)
	if err != nil {
		return "", err
	}
	s, err := cel.Text(v)
	switch {
	case err != nil:
		return "", fmt.Errorf("the expression cannot be used: %s", err)
	case len(s) > maxText:
		return "", fmt.Errorf("the expression gives a text of more than %d bytes", maxText)
	}
	return s, nil
}

// Time evaluates an expression of kind Time. The result is in UTC and in whole
// microseconds, which every store keeps exactly.
func (e *Expression) Time(of *Event) (time.Time, error) {
	v, err := e.eval(of)
	if err != nil {
		return time.Time{}, err
	}
	var t time.Time
	switch v := v.(type) {
	case types.Timestamp:
		t = v.Time
	case types.String:
		at, ok := v.ConvertToType(types.TimestampType).(types.Timestamp)
		if !ok {
			return time.Time{}, errors.New("the expression gives a text that is not an RFC 3339 time")
		}
		t = at.Time
	case types.Int:
		t = unix(float64(v))
	case types.Uint:
		t = unix(float64(v))
	case types.Double:
		t = unix(float64(v))
	default:
		return time.Time{}, unsuitable(v, Time)
	}
	if t = t.UTC(); t.Year() < 1 || t.Year() > 9999 {
		return time.Time{}, errors.New("the expression gives a time outside of the years 1 to 9999")
	}
	return t.Truncate(time.Microsecond), nil
}

// unix returns the time of a number of seconds, or of milliseconds if it is over 1e11. In
// seconds, that would be the year 5138. A float64 holds the microseconds of either.
func unix(n float64) time.Time {
	factor := 1e6
	if math.Abs(n) > 1e11 {
		factor = 1e3
	}
	if n *= factor; !(math.Abs(n) < 1e18) { // beyond the year 9999, or not a number
		return time.Unix(1<<40, 0)
	}
	return time.UnixMicro(int64(math.Round(n)))
}
