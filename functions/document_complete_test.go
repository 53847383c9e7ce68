package functions

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Everything that a caller can send has a description, and every description belongs to
// something that exists.
func TestDocumentIsComplete(t *testing.T) {
	t.Parallel()
	schemas := api.at(api.raw, "components", "schemas").(map[string]any)
	paths := api.at(api.raw, "paths").(map[string]any)
	for path, item := range paths {
		for method, op := range item.(map[string]any) {
			require.NotEmpty(t, api.at(op, "summary"), "%s %s", method, path)
			for _, p := range api.at(op, "parameters").([]any) {
				require.NotEmpty(t, api.at(p, "description"), "%s %s: %v", method, path, api.at(p, "name"))
			}
			if body := api.at(op, "requestBody"); body != nil {
				require.NotEmpty(t, api.at(body, "description"), "%s %s", method, path)
			}
			for status, r := range api.at(op, "responses").(map[string]any) {
				require.NotEmpty(t, api.at(r, "description"), "%s %s %s", method, path, status)
			}
		}
	}
	for key, n := range notes {
		name, property, _ := strings.Cut(key, ".")
		if name == "DraftValues" { // it is embedded
			name = "Draft"
		}
		_, there := api.at(schemas, name, "properties", property).(map[string]any)
		require.Equal(t, !n.hidden, there, "the note %s", key)
	}
	for of, name := range schemaNames {
		require.True(t, schemas[name] != nil || name == "DraftValues", "%s is called %s, and not in the document", of, name)
	}
	for name := range openSchemas {
		require.NotNil(t, schemas[name], name)
	}
	for path := range pathParameters {
		found := path == "/services/{service}"
		for p := range paths {
			found = found || strings.HasPrefix(p, path)
		}
		require.True(t, found, "%s is described and not served", path)
	}
}
