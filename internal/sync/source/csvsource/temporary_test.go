package csvsource

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/sync/source"
)

// listed returns the names of the files in the directory.
func listed(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// pushTo pushes to sub/f.csv in the directory. meanwhile runs before the file is replaced.
func pushTo(t *testing.T, dir string, meanwhile func()) error {
	t.Helper()
	root, err := os.OpenRoot(dir)
	require.NoError(t, err)
	defer root.Close()
	s, err := open(t.Context(), source.Datasource{Type: Name, FileURL: "sub/f.csv"}, source.Env{Dir: root})
	require.NoError(t, err)
	s.(*file).beforeRename = meanwhile
	_, err = s.Push(t.Context(), source.Spec{Datatype: "row", Key: []string{"id"}}, []source.Change{second})
	return err
}

func inSub(t *testing.T, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "sub"), 0o700))
	for _, name := range append(files, "f.csv") {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "sub", name), []byte("id,name\n1,a\n"), 0o600))
	}
	return dir
}

// A process that is killed during a push leaves a copy. The next push removes it, but no
// other file and no copy in use.
func TestAPushRemovesTheCopyOfAKilledPush(t *testing.T) {
	t.Parallel()
	others := []string{"f.csv.ABCDEFG1.tmp", "f.csv.ABC.tmp", "f.csv.abcdefgh.tmp", "f.csv.ABCDEFGH.tmp.bak", "g.csv.ABCDEFGH.tmp", "xf.csv.ABCDEFGH.tmp"}
	dir := inSub(t, append(others, "f.csv.ABCDEFGH.tmp")...)
	require.NoError(t, os.Symlink("g.csv.ABCDEFGH.tmp", filepath.Join(dir, "sub/f.csv.LINKLINK.tmp")))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "sub/f.csv.DIRECTOR.tmp"), 0o700))
	for range 2 {
		killedInAPush(t, dir)
	}
	require.Len(t, listed(t, filepath.Join(dir, "sub")), len(others)+1+2+1, "the last of them")
	require.NoError(t, pushTo(t, dir, nil))
	require.ElementsMatch(t, append(others, "f.csv", "f.csv.LINKLINK.tmp", "f.csv.DIRECTOR.tmp"), listed(t, filepath.Join(dir, "sub")))
	require.NoError(t, pushTo(t, dir, nil))
}

// A push does not disturb another push that is still running, in this process or in
// another one.
func TestAPushKeepsACopyInUse(t *testing.T) {
	t.Parallel()
	dir := inSub(t)
	var during []string
	tried := 0
	require.NoError(t, pushTo(t, dir, func() {
		if tried++; tried > 1 {
			return // the file was changed, so the first push starts again
		}
		killedInAPush(t, dir)
		require.NoError(t, pushTo(t, dir, nil))
		during = listed(t, filepath.Join(dir, "sub"))
	}))
	require.Equal(t, 2, tried)
	require.Len(t, during, 2, "the file and what the first push writes: %v", during)
	require.NoError(t, pushTo(t, dir, nil))
	require.Equal(t, []string{"f.csv"}, listed(t, filepath.Join(dir, "sub")))
}

const killedIn = "HEADGATE_TEST_PUSHES_IN"

// killedInAPush starts another process that pushes in the directory. It kills the process
// after the new file was written and before it is renamed.
func killedInAPush(t *testing.T, dir string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestPushesUntilItIsKilled$")
	cmd.Env = append(os.Environ(), killedIn+"="+dir)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "written\n", line)
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait() // the error says that the process was killed
}

func TestPushesUntilItIsKilled(t *testing.T) {
	dir := os.Getenv(killedIn)
	if dir == "" {
		t.Skip("it is the other process of tests")
	}
	_ = pushTo(t, dir, func() {
		_, _ = os.Stdout.WriteString("written\n")
		select {}
	})
}
