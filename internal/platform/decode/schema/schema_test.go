package schema_test

import (
	"encoding/json"
	"reflect"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/decode"
	"github.com/headgate/headgate/internal/platform/decode/schema"
)

type Inner struct {
	// How many.
	Size int `json:"size" default:"100" range:"5..1000"`
}

type Outer struct {
	// What it is called,
	// everywhere.
	Name string `json:"name" decode:"required" format:"name"`
	// How it works.
	Mode string `json:"mode" decode:"nullable,anycase" enum:"A B-C" default:"A"`
	// Where.
	Hosts []string `json:"hosts" least:"2 hosts" format:"name"`
	// One.
	One *Inner `json:"one"`
	// Several.
	Several []Inner `json:"several"`
	// Either.
	Either any `json:"either" types:"string integer"`
	// Whether.
	Flag bool `json:"flag"`
}

func TestSchema(t *testing.T) {
	t.Parallel()
	comments, err := schema.Comments(".")
	require.NoError(t, err)
	g := &schema.Generator{
		Comments: comments,
		Formats:  decode.Formats{"name": {NotEmpty: true, Pattern: regexp.MustCompile(`^[a-z<]+$`), Not: regexp.MustCompile(`x`)}},
		More:     map[string]schema.Object{"inner": {{Name: "title", Value: "t"}}},
		Open:     []string{"inner"},
	}
	require.Equal(t, schema.Object{{Name: "$ref", Value: "#/$defs/outer"}}, g.Ref(reflect.TypeFor[Outer]()))
	got, err := json.Marshal(g.Definitions())
	require.NoError(t, err)
	require.JSONEq(t, `{
		"outer": {
			"type": "object", "required": ["name"], "additionalProperties": false,
			"properties": {
				"name": {"description": "What it is called, everywhere.", "type": "string", "minLength": 1, "pattern": "^[a-z<]+$", "not": {"pattern": "x"}},
				"mode": {"description": "How it works.", "type": ["string", "null"], "default": "A", "anyOf": [{"enum": ["A", "B-C", "", null]}, {"pattern": "^([Aa]|[Bb]-[Cc])$"}]},
				"hosts": {"description": "Where.", "type": "array", "minItems": 2, "items": {"type": "string", "minLength": 1, "pattern": "^[a-z<]+$", "not": {"pattern": "x"}}},
				"one": {"description": "One.", "$ref": "#/$defs/inner"},
				"several": {"description": "Several.", "type": "array", "items": {"$ref": "#/$defs/inner"}},
				"either": {"description": "Either.", "type": ["string", "integer"]},
				"flag": {"description": "Whether.", "type": "boolean", "default": false}
			}
		},
		"inner": {
			"type": "object", "title": "t",
			"properties": {"size": {"description": "How many. 0 is the default.", "type": "integer", "default": 100, "anyOf": [{"const": 0}, {"minimum": 5}], "maximum": 1000}}
		}
	}`, string(got))
}
