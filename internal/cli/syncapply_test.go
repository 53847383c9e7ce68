package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const apiSync = `{"id":"wells","orgId":"acme","type":"pull","datasource":{"type":"api","url":"https://api.example.com/v1/","selectedDatatypes":["wells"],
	"options":{"list":"{type}","auth":{"type":"bearer","token":"hunter2"}}}}`

// A plan shows each field that changes, with no credential, and stores nothing. Applying
// shows the same and stores it.
func TestApplyShowsItsPlan(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "wells.json")
	env := map[string]string{"CONFIG": configOf(dir, "")}
	apply := func(def string, args ...string) string {
		t.Helper()
		require.NoError(t, os.WriteFile(file, []byte(def), 0o600))
		status, stdout, stderr := headgate(t, env, append([]string{"sync", "apply", file, "--data", filepath.Join(dir, "data")}, args...)...)
		require.Zero(t, status, stderr)
		require.NotContains(t, stdout+stderr, "hunter")
		return stdout
	}
	require.Equal(t, "wells would be created\n", apply(apiSync, "--plan"))
	require.Equal(t, "wells created\n", apply(apiSync), "the plan stored nothing")
	require.Equal(t, "wells unchanged\n", apply(apiSync, "--plan"))
	changed := strings.NewReplacer(`v1`, `v2`, `hunter2`, `hunter3`, `"type":"pull"`, `"type":"pull","frequency":"daily"`).Replace(apiSync)
	want := `
  datasource.options.auth.token: "REDACTED" → another value, which is not shown
  datasource.url: "https://api.example.com/v1/" → "https://api.example.com/v2/"
  frequency: nothing → "daily"
`
	require.Equal(t, "wells would be changed"+want, apply(changed, "--plan"))
	require.Equal(t, "wells changed"+want, apply(changed), "the plan stored nothing")
	require.Equal(t, "wells unchanged\n", apply(changed))
	require.JSONEq(t, `[{"id":"wells","result":"changed","changes":[{"field":"frequency","old":"daily"}]}]`,
		apply(strings.Replace(changed, `,"frequency":"daily"`, "", 1), "--plan", "--json"))
}

// All faults of all files are listed, unknown fields beside wrong values, and nothing is
// stored if there is one.
func TestApplyListsEveryFault(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, def string) string {
		file := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(file, []byte(def), 0o600))
		return file
	}
	good, twice := write("good.json", apiSync), write("twice.json", apiSync)
	bad := write("bad.json", `{"orgId":"acme","typ":"pull","maxRejected":7,"datasource":{"type":"csv","fileUrl":"a.csv","selectedDatatypes":["x"],"options":{"delimeter":";"}}}`)
	flags := []string{"--data", filepath.Join(dir, "data")}
	env := map[string]string{"CONFIG": configOf(dir, "")}
	for _, command := range [][]string{{"sync", "apply", good, twice, bad}, {"sync", "run", bad}} {
		status, stdout, stderr := headgate(t, env, append(command, flags...)...)
		require.Equal(t, exitError, status)
		require.Empty(t, stdout)
		for _, fault := range []string{"bad.json: the sync is not valid: ", "typ: ", "type: is required", "maxRejected: ", "datasource.options.delimeter: "} {
			require.Contains(t, stderr, fault, "%q", command)
		}
		if command[1] == "apply" {
			require.Contains(t, stderr, `twice.json: the id "wells" is that of `+good)
		}
	}
	_, stdout, _ := headgate(t, env, append([]string{"sync", "list", "--json"}, flags...)...)
	require.JSONEq(t, `[]`, stdout)
}

// A definition that the configuration declares is refused, before anything is stored.
func TestApplyLeavesDeclaredSyncsAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, other := filepath.Join(dir, "wells.json"), filepath.Join(dir, "other.json")
	require.NoError(t, os.WriteFile(file, []byte(strings.Replace(apiSync, "v1", "v2", 1)), 0o600))
	require.NoError(t, os.WriteFile(other, []byte(strings.Replace(apiSync, `"wells"`, `"other"`, 1)), 0o600))
	env := map[string]string{"CONFIG": configOf(dir, `,"syncs":[`+apiSync+`]`)}
	status, stdout, stderr := headgate(t, env, "sync", "apply", other, file, "--data", filepath.Join(dir, "data"))
	require.Equal(t, exitError, status)
	require.Empty(t, stdout)
	require.Contains(t, stderr, `wells.json: the configuration declares the sync "wells"`)
	_, stdout, _ = headgate(t, env, "sync", "list", "--data", filepath.Join(dir, "data"))
	require.Contains(t, stdout, "wells")
	require.NotContains(t, stdout, "other")
}
