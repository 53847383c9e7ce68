package functions

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/swaggest/jsonschema-go"

	"github.com/headgate/headgate/internal/platform/auth"
)

var update = flag.Bool("update", false, "write openapi.json")

// openapi.json is made from the table of routes and the Go types of bodies and answers.
// After a change to either, run go generate ./functions.
func TestDocument(t *testing.T) {
	t.Parallel()
	made, err := makeDocument()
	require.NoError(t, err)
	if *update {
		require.NoError(t, os.WriteFile("openapi.json", made, 0o644))
		return
	}
	require.Equal(t, string(openapiJSON), string(made), "openapi.json is not up to date: run go generate ./functions")
}

// writer makes the document.
type writer struct {
	reflector jsonschema.Reflector
	schemas   map[string]any
	types     map[string]reflect.Type // of schemas
}

func makeDocument() ([]byte, error) {
	w := &writer{schemas: map[string]any{}, types: map[string]reflect.Type{}}
	paths := map[string]map[string]any{}
	add := func(prefix string, rt route) error {
		path := prefix + rt.template()
		methods := rt.describedMethods()
		for _, m := range methods {
			op, err := w.operation(prefix, rt, m, len(methods) > 1)
			if err != nil {
				return err
			}
			if paths[path] == nil {
				paths[path] = map[string]any{}
			}
			paths[path][strings.ToLower(m)] = op
		}
		if asked, ok := rt.asked(); ok {
			op, err := w.operation(prefix, asked, http.MethodOptions, true)
			paths[path]["options"] = op
			return err
		}
		return nil
	}
	for _, rt := range routes {
		if rt.doc.id == "" {
			continue
		}
		if err := add("", rt); err != nil {
			return nil, err
		}
		if rt.namesService() {
			if err := add("/services/{service}", rt); err != nil {
				return nil, err
			}
		}
	}
	if _, err := w.schema(problemJSON{}); err != nil {
		return nil, err
	}
	w.schemas["Configuration"] = schema{"type": "object", "description": "Its JSON Schema is printed by `headgate config schema`."}
	w.finish()
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	err := e.Encode(struct {
		OpenAPI    string         `json:"openapi"`
		Info       schema         `json:"info"`
		Servers    []schema       `json:"servers"`
		Tags       []schema       `json:"tags"`
		Paths      any            `json:"paths"`
		Components map[string]any `json:"components"`
	}{"3.1.0", documentInfo, []schema{{"url": "/"}}, documentTags, paths, map[string]any{
		"schemas": w.schemas, "responses": problemResponses(), "headers": answerHeaders,
		"parameters":      schema{"RequestId": w.parameter(requestID)},
		"securitySchemes": schema{"bearer": schema{"type": "http", "scheme": "bearer", "description": "A Google-signed ID token of a configured member, or a configured token."}},
	}})
	return out.Bytes(), err
}

// namesService reports whether the route exists under /services/{service}, too.
func (rt route) namesService() bool {
	_, of := rt.handle.(perService)
	return of || rt.path == triggerAliasPath || rt.path == "/config"
}

func (rt route) describedMethods() []string {
	switch {
	case rt.doc.methods != "":
		return strings.Fields(rt.doc.methods)
	case rt.methods == anyMethod:
		return []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"}
	}
	return strings.Fields(rt.methods)
}

// operation describes one method of a route. If a route has several methods, each gets its
// own id.
func (w *writer) operation(prefix string, rt route, method string, several bool) (map[string]any, error) {
	o := rt.doc
	id := o.id
	if several {
		id += "_" + strings.ToLower(method)
	}
	if prefix != "" {
		id = "service_" + id
	}
	var parameters []any
	if prefix != "" {
		parameters = append(parameters, pathParameter("/services/{service}"))
	}
	for _, at := range parameterName.FindAllStringIndex(rt.template(), -1) {
		parameters = append(parameters, pathParameter(rt.template()[:at[1]]))
	}
	for _, p := range o.parameters {
		parameters = append(parameters, w.parameter(p))
	}
	fails := append([]int{403, 404, 405, 500}, o.failures...)
	if len(parameters) > 0 || o.accepts != nil {
		fails = append(fails, 400)
	}
	parameters = append(parameters, schema{"$ref": "#/components/parameters/RequestId"})
	description := o.text
	out := map[string]any{"operationId": id, "tags": []string{o.tag}, "summary": o.summary}
	if rt.role != public {
		fails = append(fails, 401)
		out["security"] = []any{schema{}, schema{"bearer": []string{}}}
		if description != signedNote {
			description = strings.TrimSpace(description + " " + needs(rt.role))
		}
	}
	if _, static := rt.handle.(plain); !static {
		fails = append(fails, 503)
	}
	if o.accepts != nil && method != http.MethodGet && method != http.MethodHead && method != http.MethodTrace && method != http.MethodOptions {
		fails = append(fails, 413)
		content, err := w.content(o.accepts.media, o.accepts.of)
		if err != nil {
			return nil, err
		}
		out["requestBody"] = schema{"description": o.accepts.text, "required": !o.accepts.optional, "content": content}
	}
	if method == http.MethodGet && rt.doc.accepts != nil { // the body of a GET has no meaning to OpenAPI, and counts all the same
		fails = append(fails, 413)
	}
	if description != "" {
		out["description"] = description
	}
	answers := o.answers
	if method == http.MethodOptions && rt.methods == anyMethod {
		answers = append(slices.Clone(answers), consent)
		for _, p := range consentParameters {
			parameters = append(parameters, w.parameter(p))
		}
	}
	out["parameters"] = parameters
	responses, err := w.responses(answers, fails)
	out["responses"] = responses
	return out, err
}

var parameterName = regexp.MustCompile(`\{[^}]*\}`)

func needs(role string) string {
	if role == auth.Any {
		return "Needs any role, if the configuration has `auth`."
	}
	return "Needs the role `" + role + "`, if the configuration has `auth`."
}

func pathParameter(path string) any {
	s := pathSchemas[path]
	if s == nil {
		s = schema{"type": "string"}
	}
	name := path[strings.LastIndex(path, "{")+1 : len(path)-1]
	return schema{"name": name, "in": "path", "required": true, "schema": s, "description": pathParameters[path]}
}

func (w *writer) parameter(p parameter) any {
	return schema{"name": p.name, "in": p.in, "description": p.text, "schema": p.schema}
}

func (w *writer) content(media []string, of []any) (map[string]any, error) {
	var all []any
	for _, v := range of {
		s, err := w.schema(v)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	what := schema{}
	switch len(all) {
	case 0:
	case 1:
		what["schema"] = all[0]
	default:
		what["schema"] = schema{"anyOf": all}
	}
	out := map[string]any{}
	for _, m := range media {
		out[m] = what
	}
	return out, nil
}

func (w *writer) responses(answers []reply, fails []int) (map[string]any, error) {
	out := map[string]any{}
	for _, status := range fails {
		out[strconv.Itoa(status)] = schema{"$ref": "#/components/responses/" + problems[status].name}
	}
	for _, a := range answers {
		r := schema{"description": a.text}
		if len(a.media) > 0 {
			content, err := w.content(a.media, []any{a.of})
			if err != nil {
				return nil, err
			}
			if a.orText {
				content["text/plain; charset=utf-8"] = schema{"schema": schema{"type": "string"}}
			}
			r["content"] = content
		}
		if len(a.headers) > 0 {
			headers := schema{}
			for _, h := range a.headers {
				headers[h] = schema{"$ref": "#/components/headers/" + h}
			}
			r["headers"] = headers
		}
		out[strconv.Itoa(a.status)] = r
	}
	return out, nil
}

// problemResponses describes the answers that report a failure.
func problemResponses() map[string]any {
	out := map[string]any{}
	for _, p := range problems {
		r := schema{"description": p.text, "content": schema{"application/problem+json": schema{"schema": schema{"$ref": "#/components/schemas/Problem"}}}}
		if p.header != "" {
			r["headers"] = schema{p.header: schema{"$ref": "#/components/headers/" + p.header}}
		}
		out[p.name] = r
	}
	return out
}

// template returns the route's path as OpenAPI writes it.
func (rt route) template() string { return strings.Replace(rt.path, "...", "", 1) }
