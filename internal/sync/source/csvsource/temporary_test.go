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

// pushTo pushes to sub/f.csv in the directory; meanwhile runs before the file is replaced.
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

// A process that is killed in a push leaves a copy, and the next push removes it, but
// nothing that is another file's or in use.
func TestAPushRemovesWhatAKilledOneLeft(t *testing.T) {
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

// A push that goes on is not disturbed by one that begins, in this process or another.
func TestAPushKeepsWhatIsHeld(t *testing.T) {
	t.Parallel()
	dir := inSub(t)
	var during []string
	tried := 0
	require.NoError(t, pushTo(t, dir, func() {
		if tried++; tried > 1 {
			return // the file was changed, so the first push begins again
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

// killedInAPush has another process push in the directory, and kills it when its file is
// written and not renamed yet.
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
	_ = cmd.Wait() // it was killed
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
