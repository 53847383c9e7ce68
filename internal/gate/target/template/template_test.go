package template_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/gate/target/template"
)

func TestValuesCannotChangeTheForm(t *testing.T) {
	t.Parallel()
	var tpl any
	require.NoError(t, json.Unmarshal([]byte(`{"{eventID}":["a {message} b",true,null,{"x":"{message}{message}"}],"y":"{ } {} {\"a\":1}"}`), &tpl))
	require.Empty(t, template.Check(tpl))
	body, err := template.Render(tpl, func(name string) string { return `"},"` + name + "{message}\n" })
	require.NoError(t, err)
	value := `"},"message{message}` + "\n"
	var got any
	require.NoError(t, json.Unmarshal(body, &got))
	require.Equal(t, map[string]any{
		"{eventID}": []any{"a " + value + " b", true, nil, map[string]any{"x": value + value}}, "y": `{ } {} {"a":1}`,
	}, got)
}

func TestUnknownNamesAreFaults(t *testing.T) {
	t.Parallel()
	require.Contains(t, template.Check([]any{"{message}", map[string]any{"a": "{event}"}}), "there is no {event}: the names are message, ")
	require.Empty(t, template.Check(nil))
}
