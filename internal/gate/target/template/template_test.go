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

func TestCredentialsAreNotShown(t *testing.T) {
	t.Parallel()
	var tpl, want any
	require.NoError(t, json.Unmarshal([]byte(`{"task":{"httpRequest":{"url":"https://u:s3cret@a.example/?k=s3cret","headers":{"Authorization":"Bearer s3cret","X-Api-Key":["s3cret"],"Accept":"a/b"},
		"body":"{messageBase64}"}},"env":[{"name":"DB_PASSWORD","value":"s3cret"},{"name":"EVENT_ID","value":"{eventID}"}],"token":"{eventID}","n":1,"note":"for {eventID} of all"}`), &tpl))
	require.NoError(t, json.Unmarshal([]byte(`{"task":{"httpRequest":{"url":"https://REDACTED@a.example/?k=REDACTED","headers":{"Authorization":"REDACTED","X-Api-Key":["REDACTED"],"Accept":"a/b"},
		"body":"{messageBase64}"}},"env":[{"name":"DB_PASSWORD","value":"REDACTED"},{"name":"EVENT_ID","value":"{eventID}"}],"token":"{eventID}","n":1,"note":"for {eventID} of all"}`), &want))
	require.Equal(t, want, template.Shown(tpl))
	require.Contains(t, tpl.(map[string]any)["task"].(map[string]any)["httpRequest"].(map[string]any)["url"], "s3cret", "the template itself keeps it")
	require.Nil(t, template.Shown(nil))
}
