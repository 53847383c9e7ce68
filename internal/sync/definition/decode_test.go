package definition_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/definition"
)

func TestTheFormsOfADefinition(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`{"id":"s","orgId":"default","type":"both","datasource":{"type":"table"}}`,
		`{"data":{"id":"s","orgId":"default","type":"both","datasource":{"type":"table"}}}`,
		`{"id":"s","externalSync":{"type":"table"}}`,
	} {
		s, err := definition.Decode([]byte(body))
		require.NoError(t, err, body)
		require.Equal(t, "s", s.ID)
		require.Equal(t, "default", s.OrgID)
		require.Equal(t, definition.Both, s.Type)
		require.Equal(t, "table", s.Datasource.Type)
	}
}

func TestWhatIsNoDefinition(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		"{\n \"id\": }":                     "not JSON: line 2, column 8",
		`[]`:                                "a JSON array does not belong here",
		`{"type":3}`:                        "type: a JSON number does not belong here",
		`{"colour":"red"}`:                  "colour: is not a field that is known here",
		`{"data":{"colour":"red"}}`:         "colour: is not a field that is known here",
		`{"data":{},"more":1}`:              "more: is not a field that is known here",
		`{"externalSync":{},"type":"pull"}`: "type: is not a field that is known here",
	} {
		_, err := definition.Decode([]byte(body))
		require.Equal(t, fault.Invalid, fault.CodeOf(err), body)
		require.ErrorContains(t, err, want, body)
	}
}
