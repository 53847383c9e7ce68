package cli

import (
	"os/exec"
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
