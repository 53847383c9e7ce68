package cli

import (
	"testing"

	"github.com/stretchr/testify/require"
)

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
