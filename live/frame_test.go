package live_test

import (
	"os"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
)

// Every frame is valid by docs/live.schema.json.
func TestFramesAreAsTheSchemaSays(t *testing.T) {
	t.Parallel()
	file, err := os.Open("../docs/live.schema.json")
	require.NoError(t, err)
	defer file.Close()
	doc, err := jsonschema.UnmarshalJSON(file)
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	require.NoError(t, c.AddResource("live.schema.json", doc))
	from, err := c.Compile("live.schema.json#/$defs/fromServer")
	require.NoError(t, err)
	to, err := c.Compile("live.schema.json#/$defs/fromClient")
	require.NoError(t, err)
	w := newWorld(t, nil)
	w.set("items", "1", 1)
	p := w.dial("protocol=2")
	for _, frame := range []string{
		`{"action":"subscribe","body":{"entity":"items","id":"1","have":""},"ref":"r"}`, `{"action":"subscribe","body":{"entity":"items","id":"2","have":"x"}}`,
		`{"action":"secret","body":"s"}`, `{"action":"unsubscribe","body":{"entity":"items","id":"2"}}`,
	} {
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(frame))
		require.NoError(t, err)
		require.NoError(t, to.Validate(v))
		p.send(frame)
	}
	p.send(`{"action":"dance"}`)
	seen := map[string]bool{}
	for !seen["error"] || !seen["entity"] { // its question before it changed its secret is answered
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(p.text()))
		require.NoError(t, err)
		require.NoError(t, from.Validate(v))
		m, _ := v.(map[string]any)
		kind, _ := m["type"].(string)
		seen[kind] = true
	}
}
