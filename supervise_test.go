package main

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A signal for a script that runs a command reaches the command. The script waits until
// the command has ended, and returns its status.
func TestScriptsPassSignalsOn(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("needs bash")
	}
	const command = `trap 'echo interrupted; exit 7' INT; trap 'echo terminated; exit 8' TERM; read -r line; echo "$line"; while :; do sleep 0.05; done`
	for _, script := range []string{"scripts/with-emulators", "scripts/with-databases"} {
		for signal, want := range map[syscall.Signal]string{
			syscall.SIGINT: "interrupted\nstatus 7", syscall.SIGTERM: "terminated\nstatus 8",
		} {
			t.Run(script+" "+signal.String(), func(t *testing.T) {
				t.Parallel()
				cmd := exec.Command(script, "bash", "-c", command)
				cmd.Env = append(os.Environ(), // nothing is started
					"FIRESTORE_EMULATOR_HOST=x", "PUBSUB_EMULATOR_HOST=x", "HEADGATE_POSTGRES_URL=x", "HEADGATE_MYSQL_URL=x")
				cmd.Stdin = strings.NewReader("ready\n")
				stdout, err := cmd.StdoutPipe()
				require.NoError(t, err)
				require.NoError(t, cmd.Start())
				giveUp := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
				defer giveUp.Stop()
				out := bufio.NewReader(stdout)
				line, err := out.ReadString('\n')
				require.NoError(t, err)
				require.Equal(t, "ready\n", line, "the command reads the script's input")
				require.NoError(t, cmd.Process.Signal(signal))
				rest, err := io.ReadAll(out)
				require.NoError(t, err)
				_ = cmd.Wait() // its error is the status
				require.Equal(t, want, string(rest)+strings.TrimPrefix(cmd.ProcessState.String(), "exit "))
			})
		}
	}
}
