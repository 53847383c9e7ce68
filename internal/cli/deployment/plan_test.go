package deployment

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/sync/definition"
	"github.com/headgate/headgate/internal/sync/source"
)

// A server shows no credentials. So the plan for it cannot say whether they change, and
// says that. It refuses what the server's configuration declares.
func TestPlanForAServer(t *testing.T) {
	t.Parallel()
	const same = `{"sync":{"id":"s","orgId":"o","type":"pull","datasource":{"type":"api","url":"https://a.example","options":{"token":"REDACTED"}}}`
	def := func(token, url string) *definition.Sync {
		return &definition.Sync{ID: "s", OrgID: "o", Type: definition.Pull, Datasource: source.Datasource{Type: "api", URL: url, Options: []byte(`{"token":"` + token + `"}`)}}
	}
	_, r := serve(t, map[string][]reply{"GET /sync/s": {
		{status: 200, body: same + `}`}, {status: 200, body: same + `}`}, {status: 200, body: same + `}`}, {status: 404},
		{status: 200, body: same + `,"owner":"config"}`}, {status: 200, body: same + `,"owner":"config"}`},
	}})
	plan := func(def *definition.Sync) *Plan {
		p, err := r.Plan(t.Context(), def)
		require.NoError(t, err)
		return p
	}
	require.Equal(t, &Plan{ID: "s", Result: Unchanged}, plan(def("REDACTED", "https://a.example")))
	require.Equal(t, &Plan{ID: "s", Result: Changed, Note: sentAgain}, plan(def("hunter2", "https://a.example")))
	moved := plan(def("hunter2", "https://b.example"))
	require.Equal(t, []FieldChange{{"datasource.url", "https://a.example", "https://b.example"}}, moved.Changes)
	require.Equal(t, Created, plan(def("hunter2", "https://a.example")).Result)

	require.Equal(t, Unchanged, plan(def("REDACTED", "https://a.example")).Result, "declared, and the same")
	_, err := r.Plan(t.Context(), def("REDACTED", "https://b.example"))
	require.ErrorContains(t, err, `the configuration declares the sync "s"`)
}
