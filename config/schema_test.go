package config_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"io/fs"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/platform/decode"
	"github.com/headgate/headgate/internal/platform/decode/schema"
)

const schemaID = "https://github.com/headgate/headgate/config/schema.json"

func compileSchema(t testing.TB) *jsonschema.Schema {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(config.Schema()))
	require.NoError(t, err)
	require.Equal(t, schemaID, doc.(map[string]any)["$id"])
	c := jsonschema.NewCompiler()
	require.NoError(t, c.AddResource(schemaID, doc))
	s, err := c.Compile(schemaID)
	require.NoError(t, err)
	return s
}

func validateSchema(t testing.TB, s *jsonschema.Schema, doc string) error {
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(doc))
	require.NoError(t, err)
	return s.Validate(v)
}

func TestExamples(t *testing.T) {
	t.Parallel()
	schema := compileSchema(t)
	examples := map[string][]byte{"Example": config.Example()}
	files, err := fs.Glob(os.DirFS("."), "examples/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, name := range files {
		examples[name], err = os.ReadFile(name)
		require.NoError(t, err)
	}
	for name, doc := range examples {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.NoError(t, validateSchema(t, schema, string(doc)))
			cfg, err := config.Parse(doc)
			require.NoError(t, err)
			require.NoError(t, validateSchema(t, schema, unredact(cfg.JSON())))
		})
	}
}

var update = flag.Bool("update", false, "rewrite schema.json")

// The committed schema equals the one that the structs declare. After a change, run
// go generate ./config.
func TestSchemaIsGenerated(t *testing.T) {
	t.Parallel()
	comments, err := schema.Comments(".")
	require.NoError(t, err)
	g := &schema.Generator{
		Formats: config.Formats, Comments: comments, Strict: true, Open: []string{"service", "deployment"},
		More: map[string]schema.Object{
			"service": {{Name: "anyOf", Value: json.RawMessage(`[{ "required": ["targetPubSub"] }, { "required": ["targets"] }]`)}},
			"auth": {{Name: "anyOf", Value: json.RawMessage(
				`[{ "required": ["iap"] }, { "required": ["oidc"] }, { "required": ["tokens"], "properties": { "tokens": { "minItems": 1 } } }]`)}},
			"trigger": {
				{Name: "if", Value: json.RawMessage(`{ "required": ["window"], "properties": { "window": { "const": "tumbling" } } }`)},
				{Name: "then", Value: json.RawMessage(`{ "required": ["every"], "properties": { "observationPeriod": false } }`)},
				{Name: "else", Value: json.RawMessage(`{ "required": ["observationPeriod"], "properties": { "observationPeriod": { "minimum": 1 } } }`)},
			},
		},
	}
	type object = schema.Object
	closed := schema.Member{Name: "unevaluatedProperties", Value: false}
	deployment, service := g.Ref(reflect.TypeFor[config.Deployment]()), g.Ref(reflect.TypeFor[config.Service]())
	list := object{{Name: "services", Value: object{
		{Name: "description", Value: comments["Config.Services"]}, {Name: "type", Value: "array"}, {Name: "minItems", Value: 1}, {Name: "items", Value: append(service, closed)},
	}}}
	var anyField []object // of a service
	for _, f := range decode.FieldsOf(reflect.TypeFor[config.Service]()) {
		anyField = append(anyField, object{{Name: "required", Value: []string{f.Name}}})
	}
	doc := object{
		{Name: "$schema", Value: "https://json-schema.org/draft/2020-12/schema"},
		{Name: "$id", Value: schemaID},
		{Name: "title", Value: "Headgate configuration"},
		{Name: "description", Value: "Either one service's fields with the deployment's beside them (EventSync's form), or the deployment's fields, with or without a list of services. " +
			"A schema cannot say that names are unique, or which fields go together: the process checks it too."},
		{Name: "type", Value: "object"},
		{Name: "if", Value: object{{Name: "required", Value: []string{"services"}}}},
		{Name: "then", Value: append(deployment, schema.Member{Name: "properties", Value: list}, closed)},
		{Name: "else", Value: object{
			{Name: "if", Value: object{{Name: "anyOf", Value: anyField}}},
			{Name: "then", Value: object{{Name: "allOf", Value: []object{deployment, service}}, closed}},
			{Name: "else", Value: append(deployment, schema.Member{Name: "minProperties", Value: 1}, closed)},
		}},
		{Name: "$defs", Value: g.Definitions()},
	}
	var made bytes.Buffer
	enc := json.NewEncoder(&made)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	require.NoError(t, enc.Encode(doc))
	if *update {
		require.NoError(t, os.WriteFile("schema.json", made.Bytes(), 0o644))
		return
	}
	require.True(t, made.String() == string(config.Schema()), "schema.json differs from the structs: run go generate ./config")
}

// Every field that a person may write has a description with its default.
func TestSchemaDescribesEveryField(t *testing.T) {
	t.Parallel()
	var doc struct {
		Defs map[string]struct {
			Properties map[string]struct{ Description string }
		} `json:"$defs"`
	}
	require.NoError(t, json.Unmarshal(config.Schema(), &doc))
	require.Greater(t, len(doc.Defs), 20)
	for name, def := range doc.Defs {
		for field, p := range def.Properties {
			require.NotEmpty(t, p.Description, "%s.%s", name, field)
		}
	}
}
