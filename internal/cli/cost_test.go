package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCost(t *testing.T) {
	t.Parallel()
	status, stdout, stderr := headgate(t, nil, "cost", "--config", workflowExample, "--events", "2e6")
	require.Zero(t, status, stderr)
	require.Regexp(t, `events: writes +4,000,000 +write +× \$0\.09 per 100,000 += \$3\.60 +2,000,000 × \(event, pointer\)`, stdout)
	require.Contains(t, stdout, "without free quotas")

	status, stdout, stderr = headgate(t, nil, "cost", "--config", workflowExample, "--json")
	require.Zero(t, status, stderr)
	var all []costOf
	require.NoError(t, json.Unmarshal([]byte(stdout), &all))
	require.NotEmpty(t, all)
	require.NotEmpty(t, all[0].Lines)

	syncs := filepath.Join(t.TempDir(), "syncs.json")
	require.NoError(t, os.WriteFile(syncs, []byte(`{"syncs": [{"id": "readings", "orgId": "o", "type": "pull", "datasource": {"type": "csv", "fileUrl": "r.csv", "selectedDatatypes": ["reading"]}}]}`), 0o600))
	status, stdout, stderr = headgate(t, nil, "cost", "--config", syncs)
	require.Equal(t, 1, status)
	require.Empty(t, stdout, "no sum: the syncs are not in it")
	require.Equal(t, "headgate: "+syncs+" has no service, so there is no gate whose cost could be told\n", stderr)

	for want, args := range map[string][]string{
		"headgate: --config is required\n":                     {},
		"headgate: --events must be between 0 and 1e15\n":      {"--config", workflowExample, "--events", "-1"},
		"headgate: --per-message must be between 0 and 1e15\n": {"--config", workflowExample, "--per-message", "NaN"},
	} {
		status, stdout, stderr := headgate(t, nil, append([]string{"cost"}, args...)...)
		require.Equal(t, 2, status)
		require.Empty(t, stdout)
		require.Contains(t, stderr, want)
	}
}

func TestNumbersOfACostAreGrouped(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"999": "999", "1024": "1024", "43200 minutes × (4 + 2)": "43,200 minutes × (4 + 2)", "2000000": "2,000,000", "0.0000025": "0.0000025", "345600.25 of 1000000": "345,600.25 of 1,000,000",
	} {
		require.Equal(t, want, grouped(text))
	}
}
