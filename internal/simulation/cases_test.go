package simulation_test

import (
	"os"
	"path"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/simulation"
)

const examples = "../../examples/gate"

// Each recipe of docs/cookbook.md has a case, which begins with the recipe's configuration.
func TestTheExamplesAreAsExpected(t *testing.T) {
	t.Parallel()
	cases, err := simulation.Cases(os.DirFS(examples))
	require.NoError(t, err)
	var names []string
	for _, c := range cases {
		names = append(names, c.Name)
	}
	require.Equal(t, []string{"daily-close", "debounce", "order-payment-stock", "shards-of-a-job", "three-files-and-a-push", "workflow"}, names)
	doc, err := os.ReadFile("../../docs/cookbook.md")
	require.NoError(t, err)
	for _, c := range cases {
		difference, err := c.Run(t.Context(), nil, "")
		require.NoError(t, err, c.Name)
		require.Empty(t, difference, c.Name)
		config, err := os.ReadFile(path.Join(examples, c.Name, "config.json"))
		require.NoError(t, err)
		recipe, err := os.ReadFile(path.Join("../../config/examples", c.Name+".json"))
		require.NoError(t, err)
		require.Equal(t, string(recipe), string(config), "%s has the configuration of the recipe", c.Name)
		require.Contains(t, string(doc), "```json\n"+string(config)+"```\n", "%s is a recipe", c.Name)
	}
}

func TestACaseHasTheNearestConfiguration(t *testing.T) {
	t.Parallel()
	const need = `{"serviceName":"s","trigger":{"type":"window","observationPeriod":60},"targetPubSub":{"topic":"projects/p-1/topics/sync"},"endpoints":[{"eventKey":"a","minNbOfOccurrence":`
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	dir := fstest.MapFS{
		"config.json": file(need + `1}]}`), "two/config.json": file(need + `2}]}`),
		"one/events.jsonl":         file(`{"at":"2026-05-01T12:00:00Z","eventKey":"a"}`),
		"one/expected.jsonl":       file(`{"kind":"message","at":"2026-05-01T14:00:00+02:00"}`),
		"two/deep/events.jsonl":    file(`{"at":"2026-05-01T12:00:00Z","eventKey":"a","id":"lonely"}`),
		"two/deep/expected.jsonl":  file("// it is alone\n" + `{"kind":"expired","events":{"a":["lonely"]},"at":"2026-05-01T12:01:00Z"}`),
		"two/fails/events.jsonl":   file(`{"at":"2026-05-01T12:00:00Z","eventKey":"a"}`),
		"two/fails/expected.jsonl": file(`{"kind":"message"}`),
	}
	cases, err := simulation.Cases(dir)
	require.NoError(t, err)
	var names []string
	for _, c := range cases {
		names = append(names, c.Name)
	}
	require.Equal(t, []string{"one", "two/deep", "two/fails"}, names)
	for _, c := range cases[:2] {
		difference, err := c.Run(t.Context(), nil, "s")
		require.NoError(t, err)
		require.Empty(t, difference)
	}
	difference, err := cases[2].Run(t.Context(), nil, "")
	require.NoError(t, err)
	require.Equal(t, []string{`- {"kind":"message"}`, `+ {"at":"2026-05-01T12:01:00Z","kind":"expired","have":{"a":1},"events":{"a":["line 1"]}}`}, difference)
	_, err = cases[0].Run(t.Context(), nil, "other")
	require.ErrorContains(t, err, `no service "other"`)
	delete(dir, "config.json")
	_, err = cases[0].Run(t.Context(), nil, "")
	require.ErrorContains(t, err, "give --config")
}
