// Package expression has the CEL expressions of hooks: over body, which is JSON or a form,
// and headers, by their lower-case names.
package expression

import (
	"bytes"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"

	celgo "cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"

	"github.com/headgate/headgate/internal/platform/cel"
)

// cost bounds the work of an expression for one webhook.
const cost = 100_000

var environment = sync.OnceValues(func() (*cel.Environment, error) {
	return cel.New(celgo.Variable("body", celgo.DynType), celgo.Variable("headers", celgo.MapType(celgo.StringType, celgo.StringType)))
})

// Expression is a compiled expression. It may be used concurrently.
type Expression struct{ program *cel.Program }

// Compile compiles an expression whose result is text.
func Compile(text string) (*Expression, error) {
	env, err := environment()
	if err != nil {
		return nil, err
	}
	program, err := env.Compile(text, cost)
	if err != nil {
		return nil, err
	}
	return &Expression{program}, nil
}

// Condition compiles an expression whose result is true or false.
func Condition(text string) (*Expression, error) {
	e, err := Compile(text)
	if err != nil {
		return nil, err
	}
	if t := e.program.Type(); t.Kind() != types.BoolKind && t.Kind() != types.DynKind {
		return nil, cel.Fault("it gives %s, and true or false is needed", cel.Kind(t.String()))
	}
	return e, nil
}

// Text evaluates the expression to text. A boolean is refused: it names nothing.
func (e *Expression) Text(of Variables) (string, error) {
	out, err := e.program.Eval(of.vars)
	if err != nil {
		return "", errors.New(e.program.Explain(err))
	}
	if _, ok := out.(types.Bool); ok {
		return "", errors.New("it gives a boolean, and text is needed")
	}
	return cel.Text(out)
}

// Constant returns the text of an expression that is the same for every webhook.
func (e *Expression) Constant() (text string, is bool) {
	text, err := e.Text(Variables{map[string]any{}})
	return text, err == nil
}

// Holds evaluates the expression to true or false.
func (e *Expression) Holds(of Variables) (bool, error) {
	out, err := e.program.Eval(of.vars)
	if err != nil {
		return false, errors.New(e.program.Explain(err))
	}
	b, ok := out.(types.Bool)
	if !ok {
		return false, errors.New("it gives " + cel.Kind(out.Type().TypeName()) + ", and true or false is needed")
	}
	return bool(b), nil
}

// Variables is a webhook as expressions see it.
type Variables struct{ vars map[string]any }

// Errors of bodies that expressions cannot see.
var (
	errJSON = errors.New("the body is not JSON")
	errForm = errors.New("the body is not a form")
)

// Of returns the variables of a webhook. Payload has been applied to the body.
func Of(header http.Header, body []byte) (Variables, error) {
	headers := make(map[string]string, len(header))
	for name, v := range header {
		headers[strings.ToLower(name)] = strings.Join(v, ", ")
	}
	value, err := valueOf(header, body)
	return Variables{map[string]any{"body": value, "headers": headers}}, err
}

func valueOf(header http.Header, body []byte) (any, error) {
	value, invalid := cel.JSON(body)
	// curl -d says that anything it sends is a form. No form begins with a brace, which would
	// be percent-encoded.
	isObject := invalid == nil && bytes.HasPrefix(bytes.TrimSpace(body), []byte("{"))
	if isForm(header) && !isObject {
		fields, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, errForm
		}
		form := make(map[string]any, len(fields))
		for name, v := range fields {
			if form[name] = v[0]; len(v) > 1 {
				form[name] = v
			}
		}
		return form, nil
	}
	if invalid != nil {
		return nil, errJSON
	}
	return value, nil
}

func isForm(header http.Header) bool {
	media, _, _ := strings.Cut(header.Get("Content-Type"), ";")
	return strings.EqualFold(strings.TrimSpace(media), "application/x-www-form-urlencoded")
}

// Payload returns the JSON that a form carries in its field payload, as GitHub and Slack
// send it, with a header that says so. Any other webhook is returned as it is.
func Payload(header http.Header, body []byte) (http.Header, []byte) {
	if !isForm(header) {
		return header, body
	}
	fields, err := url.ParseQuery(string(body))
	if err != nil || len(fields["payload"]) != 1 {
		return header, body
	}
	payload := []byte(fields.Get("payload"))
	if _, err := cel.JSON(payload); err != nil {
		return header, body
	}
	header = header.Clone()
	header.Set("Content-Type", "application/json")
	header.Del("Content-Length")
	return header, payload
}
