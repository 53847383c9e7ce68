package config_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
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

// The schema and the structs have the same fields, and the same of them are
// required and nullable.
func TestSchemaKnowsEveryField(t *testing.T) {
	t.Parallel()
	type object struct {
		Properties map[string]struct {
			Type        any
			Description string
			Ref         string `json:"$ref"`
		}
		Required []string
	}
	var schema struct {
		Defs map[string]json.RawMessage `json:"$defs"`
	}
	require.NoError(t, json.Unmarshal(config.Schema(), &schema))
	def := func(name string, path ...string) object {
		raw := schema.Defs[name]
		for _, p := range path {
			var m map[string]json.RawMessage
			require.NoError(t, json.Unmarshal(raw, &m))
			raw = m[p]
		}
		var o object
		require.NoError(t, json.Unmarshal(raw, &o))
		return o
	}
	for _, c := range []struct {
		of  any
		def object
	}{
		{config.Service{}, def("service")},
		{config.Trigger{}, def("trigger")},
		{config.Endpoint{}, def("endpoint")},
		{config.TargetPubSub{}, def("targetPubSub")},
		{config.Auth{}, def("auth")},
		{config.OIDC{}, def("auth", "properties", "oidc")},
		{config.Member{}, def("auth", "properties", "oidc", "properties", "members", "items")},
		{config.Token{}, def("auth", "properties", "tokens", "items")},
		{config.CORS{}, def("cors")},
		{config.OnMessage{}, def("onMessage")},
		{config.Sync{}, def("sync")},
		{config.Live{}, def("live")},
		{config.Echo{}, def("echo")},
		{config.Draft{}, def("draft")},
		{config.DraftExternal{}, def("draft", "properties", "externalData")},
		{config.DraftRecords{}, def("draft", "properties", "records")},
		{config.DraftSync{}, def("draft", "properties", "sync")},
		{config.Hook{}, def("hook")},
		{config.HookVerify{}, def("hook", "properties", "verify")},
		{config.HookEvent{}, def("hook", "properties", "event")},
		{config.LiveResolver{}, def("live", "properties", "resolvers", "items")},
		{config.LivePassThrough{}, def("live", "properties", "passThrough")},
		{config.LiveToken{}, def("live", "properties", "token")},
	} {
		typ := reflect.TypeOf(c.of)
		required := []string{}
		for i := range typ.NumField() {
			tag := typ.Field(i).Tag
			name, _, _ := strings.Cut(tag.Get("json"), ",")
			require.Contains(t, c.def.Properties, name, typ)
			p := c.def.Properties[name]
			require.True(t, p.Description != "" || p.Ref != "", "%s.%s has no description", typ, name)
			types, _ := p.Type.([]any)
			require.Equal(t, tag.Get("config") == "nullable", len(types) == 2, "%s.%s", typ, name)
			if tag.Get("config") == "required" {
				required = append(required, name)
			}
		}
		require.Len(t, c.def.Properties, typ.NumField(), typ)
		require.ElementsMatch(t, required, c.def.Required, typ)
	}
}
