package incoming_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/webhook/incoming"
)

func TestCheckTasks(t *testing.T) {
	t.Parallel()
	for _, good := range []string{`{"data":{}}`, `{"data":` + tasks + `}`, `{"data":{"a b":{"name":"","priority":-1.5,"more":1}}}`} {
		_, err := incoming.CheckTasks([]byte(good), "data")
		require.NoError(t, err, good)
	}
	for bad, says := range map[string]string{
		``: "JSON object", `[]`: "JSON object", `{}`: "data is required", `{"data":null}`: "data is required", `{"data":[]}`: "malformed", `{"data":"x"}`: "malformed",
		`{"data":{"12":{"name":"x"}}}`: "data.12 is malformed: name and priority are required", `{"data":{"12":null}}`: "data.12 is malformed: name and priority are required",
		`{"data":{"12":{"name":null,"priority":1}}}`:                             "data.12 is malformed: name and priority are required",
		`{"data":{"11":{"name":"x","priority":1},"12":{"name":3,"priority":1}}}`: "data.12.name is malformed: it must be text",
		`{"data":{"12":{"name":{},"priority":1},"13":3}}`:                        "data.12.name is malformed: it must be text",
		`{"data":{"12":{"name":"x","priority":"1"}}}`:                            "data.12.priority is malformed: it must be a number",
		`{"data":{"12":{"name":"x","priority":[1]}}}`:                            "data.12.priority is malformed: it must be a number",
		`{"data":{"12":3}}`: `data.12 is malformed: it must be {"name": text, "priority": number}`, `{"data":{"12":[]}}`: "data.12 is malformed",
	} {
		_, err := incoming.CheckTasks([]byte(bad), "data")
		require.ErrorContains(t, err, says, bad)
	}
}

func TestTasksAreUTF8(t *testing.T) {
	t.Parallel()
	_, err := incoming.CheckTasks([]byte("{\"data\":{\"1\":{\"name\":\"\xff\",\"priority\":1}}}"), "data")
	require.ErrorContains(t, err, "UTF-8")
}
