package datacollect

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	celgo "cel.dev/cel-go/cel"
	"cel.dev/cel-go/ext"

	"github.com/headgate/headgate/internal/platform/cel"
	"github.com/headgate/headgate/internal/platform/decode"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/record"
)

// Adapter says how a system is called that DataCollect knows under a type of its own. What
// it does not say is as at a mock sync server.
type Adapter struct {
	Push Request `json:"push"`
	Pull Request `json:"pull"`
}

// Request says how a call is made, and what its answer means. In path and in headers,
// {expression} stands for a value of CEL; body, events and ok are expressions. A request's
// see fields (the extraFields by name), since (the time after which events are asked for)
// and events (those to push); the answer's see fields, answer and status.
type Request struct {
	Method  string            `json:"method" enum:"GET POST PUT PATCH" decode:"anycase"`
	Path    string            `json:"path"` // follows the url
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
	Events  string            `json:"events"` // of a pull: the list of events in the answer
	OK      string            `json:"ok"`     // whether the answer reports success
}

// adapterCost bounds the work of an expression, in CEL's own units. It reads a whole batch
// or answer.
const adapterCost = 10_000_000

var asking = sync.OnceValues(func() (*cel.Environment, error) {
	return cel.New(celgo.Variable("fields", celgo.MapType(celgo.StringType, celgo.StringType)), celgo.Variable("since", celgo.StringType),
		celgo.Variable("events", celgo.ListType(celgo.DynType)), ext.Strings(), ext.Encoders())
})

var answering = sync.OnceValues(func() (*cel.Environment, error) {
	return cel.New(celgo.Variable("fields", celgo.MapType(celgo.StringType, celgo.StringType)), celgo.Variable("status", celgo.IntType),
		celgo.Variable("answer", celgo.DynType), ext.Strings())
})

// endpoint is a compiled Request. The zero value says nothing.
type endpoint struct {
	method           string
	path             template
	headers          map[string]template
	body, events, ok *cel.Program
}

// compile compiles the request at the path of the definition.
func (r *Request) compile(f *decode.Faults, path string) *endpoint {
	e := &endpoint{method: r.Method, headers: make(map[string]template, len(r.Headers))}
	program := func(name, text string, environment func() (*cel.Environment, error)) *cel.Program {
		if text == "" {
			return nil
		}
		p, err := compileExpression(text, environment)
		if err != nil {
			f.Add(decode.Member(path, name), "%s", err)
		}
		return p
	}
	e.body, e.events, e.ok = program("body", r.Body, asking), program("events", r.Events, answering), program("ok", r.OK, answering)
	var err error
	if e.path, err = parseTemplate(r.Path); err != nil {
		f.Add(decode.Member(path, "path"), "%s", err)
	}
	for name, text := range r.Headers {
		if e.headers[name], err = parseTemplate(text); err != nil || !validHeader(name) {
			f.Add(decode.Member(decode.Member(path, "headers"), name), "must be the name of a header and a text whose {expressions} are CEL")
		}
	}
	return e
}

func validHeader(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 127 || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r) })
}

func compileExpression(text string, environment func() (*cel.Environment, error)) (*cel.Program, error) {
	env, err := environment()
	if err != nil {
		return nil, err
	}
	return env.Compile(text, adapterCost)
}

// template is a text with expressions in braces.
type template []part

type part struct {
	text    string
	program *cel.Program // nil: the part is text
}

func parseTemplate(text string) (t template, err error) {
	for text != "" {
		before, rest, found := strings.Cut(text, "{")
		t = append(t, part{text: before})
		if !found {
			break
		}
		expression, after, closed := strings.Cut(rest, "}")
		if !closed {
			return nil, fault.New(fault.Invalid, "a { has no }")
		}
		p, err := compileExpression(expression, asking)
		if err != nil {
			return nil, err
		}
		t, text = append(t, part{program: p}), after
	}
	return t, nil
}

// fill returns the text with the expressions' values, as escape writes them.
func (t template) fill(variables map[string]any, escape func(string) string) (string, error) {
	var b strings.Builder
	for _, p := range t {
		if p.program == nil {
			b.WriteString(p.text)
			continue
		}
		out, err := p.program.Eval(variables)
		if err != nil {
			return "", fault.New(fault.Invalid, "the adapter: an expression in braces fails: %s", p.program.Explain(err))
		}
		text, err := cel.Text(out)
		if err != nil {
			return "", fault.New(fault.Invalid, "the adapter: an expression in braces: %s", err)
		}
		b.WriteString(escape(text))
	}
	return b.String(), nil
}

// request returns the call that the endpoint makes.
func (e *endpoint) request(base *url.URL, variables map[string]any) (target string, header http.Header, body any, err error) {
	path, err := e.path.fill(variables, url.QueryEscape)
	if err != nil {
		return "", nil, nil, err
	}
	target = base.String()
	if path != "" {
		target = strings.TrimSuffix(target, "/") + "/" + strings.TrimPrefix(path, "/")
		if strings.HasPrefix(path, "?") {
			target = base.String() + path
		}
	}
	header = make(http.Header, len(e.headers))
	for name, t := range e.headers {
		value, err := t.fill(variables, func(s string) string { return s })
		if err != nil {
			return "", nil, nil, err
		}
		header.Set(name, value)
	}
	if e.body != nil {
		body, err = value(e.body, "body", variables)
	}
	return target, header, body, err
}

func value(p *cel.Program, name string, variables map[string]any) (any, error) {
	out, err := p.Eval(variables)
	if err != nil {
		return nil, fault.New(fault.Invalid, "the adapter: %s fails: %s", name, p.Explain(err))
	}
	v, err := cel.Native(out)
	if err != nil {
		return nil, fault.New(fault.Invalid, "the adapter: %s: %s", name, err)
	}
	return v, nil
}

// plain returns a copy of JSON whose numbers CEL knows.
func plain(v any) any {
	text, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	out, err := decode.One(text)
	if err != nil {
		return nil
	}
	return texts(record.Plain(out))
}

// texts makes text of the numbers that are too long for CEL: only ids are that long.
func texts(v any) any {
	switch v := v.(type) {
	case json.Number:
		return v.String()
	case []any:
		for i := range v {
			v[i] = texts(v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = texts(v[name])
		}
	}
	return v
}

// answers returns the variables of the expressions over an answer.
func (s *server) answers(status int, body any) map[string]any {
	return map[string]any{"fields": s.fields, "status": status, "answer": plain(body)}
}

// asks returns the variables of the expressions over a request.
func (s *server) asks(since string, events []any) map[string]any {
	list, _ := plain(slices.Clone(events)).([]any)
	if list == nil {
		list = []any{}
	}
	return map[string]any{"fields": s.fields, "since": since, "events": list}
}
