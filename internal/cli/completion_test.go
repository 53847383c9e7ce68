package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Bash can load the script, and has a completion for the command then.
func TestBashLoadsItsScript(t *testing.T) {
	t.Parallel()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("needs bash")
	}
	_, script, _ := headgate(t, nil, "completion", "bash")
	cmd := exec.Command(bash, "--norc", "-c", "source /dev/stdin && complete -p headgate")
	cmd.Stdin = strings.NewReader(script)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), "-F __start_headgate headgate")
}

func TestCompletion(t *testing.T) {
	t.Parallel()
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		status, stdout, _ := headgate(t, nil, "completion", shell)
		require.Zero(t, status)
		require.Contains(t, stdout, "headgate")
	}
	for want, args := range map[string][]string{
		"rejects":     {"sync", "re"},
		"--validate":  {"sync", "run", "--val"},
		"syncrun":     {"serve", "--function", "sy"},
		"firestore":   {"sync", "list", "--store", ""},
		"sync-server": {"mock", ""},
		"both":        {"sync", "run", "--method", ""},
		":8":          {"sync", "apply", ""}, // files with the ends that were listed before
	} {
		status, stdout, _ := headgate(t, nil, append([]string{"__complete"}, args...)...)
		require.Zero(t, status)
		require.Contains(t, stdout, want)
	}
}

// The ids of stored syncs are offered, and nothing is said where there is no store.
func TestCompletionOfIDs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	complete := func(data string, args ...string) string {
		status, stdout, stderr := headgate(t, map[string]string{"CONFIG": configOf(dir, "")}, append([]string{"__complete", args[0], args[1], "--data", data}, args[2:]...)...)
		require.Zero(t, status)
		require.Equal(t, 1, strings.Count(stderr, "\n"), "cobra's line only: %s", stderr)
		return stdout
	}
	require.Equal(t, "json\n:8\n", complete(data, "sync", "run", ""), "files that end in json")
	require.NoDirExists(t, data)
	status, _, stderr := headgate(t, map[string]string{"CONFIG": configOf(dir, "")}, "sync", "apply", csvSync(t, dir, "good", false), "--data", data)
	require.Zero(t, status, stderr)
	require.Equal(t, "good\n:4\n", complete(data, "sync", "run", ""))
	require.Equal(t, "good\n:4\n", complete(data, "sync", "rejects", "go"))
	require.Equal(t, "good\n:4\n", complete(data, "sync", "delete", ""))
	require.Equal(t, ":4\n", complete(data, "sync", "runs", "good", ""), "there is one operand")
	require.Equal(t, "json\n:8\n", complete(data, "sync", "run", "x"))
	require.NoError(t, os.WriteFile(filepath.Join(data, "headgate.db"), []byte("no store"), 0o600))
	require.Equal(t, ":4\n", complete(data, "sync", "runs", ""), "a damaged store is no reason to write into the line")
}

// The marks that name a flag's value in the help are not shown.
func TestCompletionOfFlagsIsPlain(t *testing.T) {
	t.Parallel()
	_, stdout, _ := headgate(t, nil, "__complete", "backup", "--")
	require.Contains(t, stdout, "--data\tthe DIRECTORY of the embedded store\n")
	require.NotContains(t, stdout, "`")
}
