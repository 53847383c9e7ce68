package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// background is a command that runs during the test.
type background struct {
	cmd            *exec.Cmd
	stdout, stderr output
}

func inBackground(t *testing.T, args ...string) *background {
	t.Helper()
	f := &background{cmd: exec.Command(binary, args...)}
	f.cmd.Env, f.cmd.Dir = environment(nil), t.TempDir()
	f.cmd.Stdout, f.cmd.Stderr = &f.stdout, &f.stderr
	require.NoError(t, f.cmd.Start())
	t.Cleanup(func() { _ = f.cmd.Process.Kill() })
	return f
}

// ends waits until the command has ended, and returns its exit status.
func (f *background) ends(t *testing.T) int {
	t.Helper()
	ended := make(chan struct{})
	go func() { _ = f.cmd.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(2 * time.Minute):
		_ = f.cmd.Process.Kill()
		require.FailNow(t, "the command does not end", f.stdout.String()+f.stderr.String())
	}
	return f.cmd.ProcessState.ExitCode()
}

// A command that runs a sync on a server survives a restart of the server, and ends when
// the run ends.
func TestSyncCommandOutlastsItsServer(t *testing.T) {
	t.Parallel()
	slow(t)
	const rows = 200_000
	data := t.TempDir()
	wells(t, data, "wells.csv", rows, 0)
	def := filepath.Join(data, "wells.json")
	require.NoError(t, os.WriteFile(def, []byte(readingsOf("wells", "wells.csv", "")), 0o600))
	p := start(t, options{data: data, addr: fixedPort(t), env: []string{"CONFIG=" + service("remote", "p")}})
	command := inBackground(t, "sync", "run", def, "--url", p.base)
	p.atWork(t)
	code, _ := p.term(t, 20*time.Second)
	require.Zero(t, code)
	p = p.restart(t).listens(t)
	require.Zero(t, command.ends(t), command.stderr.String())
	require.Regexp(t, fmt.Sprintf(`pull\s+reading\s+%d\s+%d\s`, rows, rows), command.stdout.String())
	require.Equal(t, int64(rows), p.ended(t, "wells").Counts.Created)
}

// A command finds the server of a store by --data. If it is interrupted, the server
// continues the run.
func TestInterruptedSyncCommandLeavesTheRun(t *testing.T) {
	t.Parallel()
	slow(t)
	const rows = 200_000
	data := t.TempDir()
	wells(t, data, "wells.csv", rows, 0)
	def := filepath.Join(data, "wells.json")
	require.NoError(t, os.WriteFile(def, []byte(readingsOf("wells", "wells.csv", "")), 0o600))
	p := start(t, options{data: data, env: []string{"CONFIG=" + service("left", "p")}})
	command := inBackground(t, "sync", "run", def, "--data", data)
	p.atWork(t)
	require.NoError(t, command.cmd.Process.Signal(syscall.SIGINT))
	require.Equal(t, 1, command.ends(t))
	require.Contains(t, command.stderr.String(), fmt.Sprintf("process %d at %s has the store in %s open: using that process", p.cmd.Process.Pid, p.base, data))
	run := p.ended(t, "wells")
	require.Contains(t, command.stderr.String(), fmt.Sprintf("run %s continues at %s\n", run.ID, p.base))
	require.Equal(t, int64(rows), run.Counts.Created)
}

// atWork waits until the run of the sync "wells" has read some rows.
func (p *process) atWork(t *testing.T) {
	t.Helper()
	eventually(t, "the run gets on", func() error {
		list, err := try[struct{ Runs []syncRun }](p, "GET", "/sync/wells/runs?limit=1")
		if err == nil && (len(list.Runs) == 0 || list.Runs[0].Counts.Read == 0) {
			err = fmt.Errorf("it has not begun")
		}
		return err
	})
}

// The linker sets the version and drops the methods that nothing calls, as in the build of
// the image. Headgate recognises "go run", so that its hints show the command that the user
// typed.
func TestBuildsOfTheRoot(t *testing.T) {
	t.Parallel()
	slow(t)
	image, err := os.ReadFile("../../Dockerfile")
	require.NoError(t, err)
	require.Contains(t, string(image), "-X main.version=${VERSION}")
	require.Contains(t, string(image), "-tags grpcnotrace")
	built := filepath.Join(t.TempDir(), "headgate")
	build := exec.Command("go", "build", "-tags", "grpcnotrace", "-ldflags", "-X main.version=v9.8.7", "-o", built, ".")
	build.Dir = filepath.Join("..", "..")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	for _, arg := range []string{"version", "--version"} {
		out, err := exec.Command(built, arg).Output()
		require.NoError(t, err)
		require.Equal(t, "headgate v9.8.7\n", string(out))
	}
	symbols, err := exec.Command("go", "tool", "nm", built).Output()
	require.NoError(t, err)
	require.NotContains(t, string(symbols), " reflect.(*Value).MethodByName\n", "nothing calls methods by name, so that the linker drops what is not called")
	run := exec.Command("go", "run", ".", "sync", "typo")
	run.Dir = build.Dir
	out, err = run.CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "Usage:\n  go run . sync COMMAND\n", "hints are what the person can type")
}
