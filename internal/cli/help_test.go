package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

// commands calls f with every command of ours.
func commands(cmd *cobra.Command, f func(*cobra.Command)) {
	f(cmd)
	for _, c := range cmd.Commands() {
		commands(c, f)
	}
}

// Every command has a help with an example. testdata has the expected texts.
func TestHelp(t *testing.T) {
	t.Parallel()
	commands(newRoot(&Process{Getenv: noEnv}), func(cmd *cobra.Command) {
		path := strings.Fields(cmd.CommandPath())[1:]
		t.Run(strings.Join(path, " "), func(t *testing.T) {
			require.NotEmpty(t, cmd.Example)
			status, stdout, stderr := headgate(t, nil, append(path, "--help")...)
			require.Zero(t, status)
			require.Empty(t, stderr)
			golden := filepath.Join("testdata", "help", strings.Join(append([]string{"headgate"}, path...), "-")+".txt")
			if *update {
				require.NoError(t, os.WriteFile(golden, []byte(stdout), 0o600))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err, "run the test with -update")
			require.Equal(t, string(want), stdout)
			for line := range strings.Lines(cmd.Example) {
				require.True(t, strings.HasPrefix(line, "  $ headgate"), line)
			}
			_, asked, _ := headgate(t, nil, append([]string{"help"}, path...)...)
			require.Equal(t, stdout, asked, "headgate help COMMAND")
		})
	})
}

// The help shows the commands as the person who reads it can type them.
func TestHelpOfOtherPrograms(t *testing.T) {
	t.Parallel()
	for _, program := range []string{goRun, "/opt/gate/hg", "'/opt/a gate/hg'"} {
		var out strings.Builder
		p := Process{Args: []string{"sync", "run", "--help"}, Program: program, Getenv: noEnv, Stdout: &out, Stderr: &out}
		require.Zero(t, Main(t.Context(), p))
		require.Contains(t, out.String(), "Usage:\n  "+program+" sync run {ID | FILE} [flags]\n")
		require.Contains(t, out.String(), "\n  $ "+program+" sync run testdata/readings.json\n")
		require.NotContains(t, out.String(), "headgate sync")
	}
}
