package cli

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// The list says which syncs the configuration declares, and which it does so no longer.
func TestListNamesTheOwner(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	declares := map[string]string{"CONFIG": configOf(dir, `,"syncs":[`+apiSync+`]`)}
	status, _, stderr := headgate(t, declares, "sync", "apply", csvSync(t, dir, "mine", false), "--data", data)
	require.Zero(t, status, stderr)
	for owner, env := range map[string]map[string]string{"config": declares, "dropped": {"CONFIG": configOf(dir, "")}} {
		status, stdout, stderr := headgate(t, env, "sync", "list", "--data", data)
		require.Zero(t, status, stderr)
		require.Regexp(t, `(?m)^wells .* `+owner+`$`, stdout)
		require.Regexp(t, `(?m)^mine .* csv +$`, stdout)
		_, stdout, _ = headgate(t, env, "sync", "list", "--json", "--data", data)
		require.Contains(t, stdout, `"owner": "`+owner+`"`)
	}
}
