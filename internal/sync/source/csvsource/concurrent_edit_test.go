package csvsource

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/fence"
	"github.com/headgate/headgate/internal/platform/fence/fencetest"
	"github.com/headgate/headgate/internal/sync/source"
)

// editedMeanwhile pushes a change of row 1. edit runs each time right before the push
// replaces the file, and may change it.
func editedMeanwhile(t *testing.T, content string, edit func(path string, n int)) ([]source.Result, string, error) {
	t.Helper()
	dir := root(t, map[string]string{"f.csv": content})
	path := filepath.Join(dir.Name(), "f.csv")
	old := time.Now().Add(-time.Hour)
	require.NoError(t, os.Chtimes(path, old, old))
	opened, err := open(t.Context(), source.Datasource{Type: Name, FileURL: "f.csv"}, source.Env{Dir: dir})
	require.NoError(t, err)
	n := 0
	opened.(*file).beforeRename = func() {
		edit(path, n)
		n++
	}
	results, err := opened.Push(t.Context(), source.Spec{Datatype: "row", Key: []string{"id"}}, []source.Change{{
		Op: source.Update, Key: []any{"1"}, Fields: map[string]any{"id": "1", "name": "ours"}, Changed: []string{"name"}, Expect: map[string]any{"name": "x"},
	}})
	now, readErr := os.ReadFile(path)
	require.NoError(t, readErr)
	left, globErr := filepath.Glob(filepath.Join(dir.Name(), "*.tmp"))
	require.NoError(t, globErr)
	require.Empty(t, left)
	return results, string(now), err
}

// A push keeps every edit that somebody makes while it rewrites the file, in whichever way
// their editor saves.
func TestAPushKeepsAnEdit(t *testing.T) {
	t.Parallel()
	write := func(t *testing.T, path, content string) {
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	}
	for name, edit := range map[string]func(t *testing.T, path string){
		"in place":  func(t *testing.T, path string) { write(t, path, "id,name\n1,x\n2,edited\n") },
		"same size": func(t *testing.T, path string) { write(t, path, "id,name\n1,x\n2,z\n") },
		"same size and time": func(t *testing.T, path string) {
			info, err := os.Stat(path)
			require.NoError(t, err)
			write(t, path, "id,name\n1,x\n2,z\n")
			require.NoError(t, os.Chtimes(path, info.ModTime(), info.ModTime()))
		},
		"renamed over": func(t *testing.T, path string) {
			info, err := os.Stat(path)
			require.NoError(t, err)
			write(t, path+".new", "id,name\n1,x\n2,z\n")
			require.NoError(t, os.Chtimes(path+".new", info.ModTime(), info.ModTime()))
			require.NoError(t, os.Rename(path+".new", path))
		},
		"appended": func(t *testing.T, path string) {
			f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
			require.NoError(t, err)
			_, err = f.WriteString("3,new\n")
			require.NoError(t, err)
			require.NoError(t, f.Close())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var theirs string
			results, now, err := editedMeanwhile(t, "id,name\n1,x\n2,y\n", func(path string, n int) {
				if n > 0 {
					return
				}
				edit(t, path)
				content, err := os.ReadFile(path)
				require.NoError(t, err)
				theirs = string(content)
			})
			require.NoError(t, err)
			require.NoError(t, results[0].Err)
			require.Equal(t, strings.Replace(theirs, "1,x", "1,ours", 1), now)
		})
	}
}

// A push does not overwrite a row that was edited meanwhile. The next pull merges it.
func TestAPushLeavesARowThatWasEdited(t *testing.T) {
	t.Parallel()
	results, now, err := editedMeanwhile(t, "id,name\n1,x\n", func(path string, n int) {
		require.NoError(t, os.WriteFile(path, []byte("id,name\n1,theirs\n"), 0o600))
	})
	require.Equal(t, fault.Conflict, fault.CodeOf(err), "an editor writes the file again and again")
	require.ErrorContains(t, err, "somebody changed the file f.csv during each of 5 attempts")
	require.Empty(t, results)
	require.Equal(t, "id,name\n1,theirs\n", now)
	results, now, err = editedMeanwhile(t, "id,name\n1,x\n", func(path string, n int) {
		if n == 0 {
			require.NoError(t, os.WriteFile(path, []byte("id,name\n1,theirs\n"), 0o600))
		}
	})
	require.NoError(t, err)
	require.ErrorIs(t, results[0].Err, source.ErrMoved)
	require.Equal(t, "id,name\n1,theirs\n", now)
}

// A file that is deleted during a push does not come back with its old rows. A file that
// is created during a push is not replaced.
func TestAPushOfAFileThatIsCreatedOrDeleted(t *testing.T) {
	t.Parallel()
	results, now, err := editedMeanwhile(t, "id,name\n1,x\n2,y\n", func(path string, n int) {
		if n == 0 {
			require.NoError(t, os.Remove(path))
		}
	})
	require.NoError(t, err)
	require.ErrorIs(t, results[0].Err, source.ErrMoved)
	require.NotContains(t, now, "2,y")

	dir := root(t, nil)
	opened, err := open(t.Context(), source.Datasource{Type: Name, FileURL: "f.csv"}, source.Env{Dir: dir})
	require.NoError(t, err)
	opened.(*file).beforeRename = func() {
		require.NoError(t, os.WriteFile(filepath.Join(dir.Name(), "f.csv"), []byte("id,name\n9,theirs\n"), 0o600))
		opened.(*file).beforeRename = nil
	}
	_, err = opened.Push(t.Context(), source.Spec{Datatype: "row", Key: []string{"id"}}, []source.Change{second})
	require.NoError(t, err)
	content, err := dir.ReadFile("f.csv")
	require.NoError(t, err)
	require.Equal(t, "id,name\n9,theirs\n2,für\n", string(content))
}

// An editor changes the file again and again while pushes rewrite it. It loses only the
// edits in the instants between a push's last check and its rename.
func TestAttackAnEditorDuringPushes(t *testing.T) {
	t.Parallel()
	const edits = 200
	dir := root(t, map[string]string{"f.csv": "id,name\n1,0\nedits,0\n"})
	path := filepath.Join(dir.Name(), "f.csv")
	s, err := open(t.Context(), source.Datasource{Type: Name, FileURL: "f.csv"}, source.Env{Dir: dir})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	pushed := make(chan error, 1)
	go func() {
		for n := 1; ctx.Err() == nil; n++ {
			_, err := s.Push(ctx, source.Spec{Datatype: "row", Key: []string{"id"}}, []source.Change{{
				Op: source.Update, Key: []any{"1"}, Fields: map[string]any{"id": "1", "name": strconv.Itoa(n)}, Changed: []string{"name"},
			}})
			if err != nil && fault.CodeOf(err) != fault.Conflict && ctx.Err() == nil {
				pushed <- err
				return
			}
		}
		pushed <- nil
	}()
	// The editor reads the file, increments its own row and renames a new file over the
	// old one, as editors do. It checks for changes by Headgate itself, so that every lost
	// edit was lost by a push.
	value := func() (string, []string, os.FileInfo) {
		before, err := os.Stat(path)
		require.NoError(t, err)
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		rows, err := csv.NewReader(strings.NewReader(string(content))).ReadAll()
		require.NoError(t, err)
		require.Len(t, rows, 3)
		return rows[2][1], rows[1], before
	}
	written, lost := 0, 0
	for written < edits {
		have, ours, before := value()
		if have != strconv.Itoa(written) {
			lost++
		}
		next := fmt.Sprintf("id,name\n%s\nedits,%d\n", strings.Join(ours, ","), written+1)
		require.NoError(t, os.WriteFile(path+".editor", []byte(next), 0o600))
		if now, err := os.Stat(path); err != nil || !os.SameFile(before, now) {
			continue
		}
		require.NoError(t, os.Rename(path+".editor", path))
		written++
	}
	cancel()
	require.NoError(t, <-pushed)
	t.Logf("%d of %d edits were lost", lost, edits)
	require.LessOrEqual(t, lost, edits/20) // without the last check a fifth is lost
}

// after returns a clock that stands still at the time age after the last change of f.csv.
func after(t *testing.T, dir *os.Root, age time.Duration) func() time.Time {
	t.Helper()
	info, err := dir.Stat("f.csv")
	require.NoError(t, err)
	at := info.ModTime().Add(age)
	return func() time.Time { return at }
}

// Comparing a large file's content takes time, and the lease can be lost meanwhile. Then
// the push does not replace the file, although nobody changed it.
func TestAPushAsksTheFenceLast(t *testing.T) {
	t.Parallel()
	dir := root(t, map[string]string{"f.csv": "id,name\n1,x\n"}) // young enough that its content is compared
	opened, err := open(t.Context(), source.Datasource{Type: Name, FileURL: "f.csv"}, source.Env{Dir: dir, Now: after(t, dir, 0)})
	require.NoError(t, err)
	f, looked := fencetest.New(1<<30, nil), false
	opened.(*file).afterLook = func() { f.Turn(); looked = true }
	_, err = opened.Push(f.In(t.Context()), source.Spec{Datatype: "row", Key: []string{"id"}}, []source.Change{second})
	require.True(t, looked)
	require.True(t, fence.Refused(err), "%v", err)
	content, err := dir.ReadFile("f.csv")
	require.NoError(t, err)
	require.Equal(t, "id,name\n1,x\n", string(content))
	left, err := filepath.Glob(filepath.Join(dir.Name(), "*.tmp"))
	require.NoError(t, err)
	require.Empty(t, left)
}

// A second edit within one tick of the file system's clock changes neither inode nor size
// nor times. Only the content shows it.
func TestAPushKeepsAnEditWithinATick(t *testing.T) {
	t.Parallel()
	for _, age := range []time.Duration{0, time.Second, 2 * time.Second, -time.Hour} { // the last one: another machine's clock is ahead
		dir := root(t, map[string]string{"f.csv": "id,name\n1,x\n2,y\n"})
		path := filepath.Join(dir.Name(), "f.csv")
		opened, err := open(t.Context(), source.Datasource{Type: Name, FileURL: "f.csv"}, source.Env{Dir: dir, Now: after(t, dir, age)})
		require.NoError(t, err)
		f := opened.(*file)
		s, err := f.openPath()
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, s)
		require.NoError(t, err)
		require.NoError(t, f.unchanged(t.Context(), s))
		require.NoError(t, os.WriteFile(path, []byte("id,name\n1,x\n2,z\n"), 0o600))
		s.seen.info, err = os.Stat(path) // as if the clock had not ticked
		require.NoError(t, err)
		require.ErrorIs(t, f.unchanged(t.Context(), s), errChanged, age)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, f.unchanged(ctx, s), context.Canceled)
		require.NoError(t, s.Close())
	}
}

// A push keeps the file's mode and owner, so that its users can still read and write it.
func TestAPushKeepsModeAndOwner(t *testing.T) {
	t.Parallel()
	dir := root(t, map[string]string{"f.csv": "id,name\n1,x\n"})
	path := filepath.Join(dir.Name(), "f.csv")
	require.NoError(t, os.Chmod(path, 0o664))
	owned := os.Chown(path, 12345, 23456) == nil // only root may change the owner
	opened, err := open(t.Context(), source.Datasource{Type: Name, FileURL: "f.csv"}, source.Env{Dir: dir})
	require.NoError(t, err)
	before, err := os.Stat(path)
	require.NoError(t, err)
	_, err = opened.Push(t.Context(), source.Spec{Datatype: "row", Key: []string{"id"}}, []source.Change{second})
	require.NoError(t, err)
	after, err := os.Stat(path)
	require.NoError(t, err)
	require.False(t, os.SameFile(before, after))
	require.Equal(t, before.Mode(), after.Mode())
	if owned && runtime.GOOS == "linux" {
		require.Equal(t, fmt.Sprint(reflect.ValueOf(before.Sys()).Elem().FieldByName("Uid"), reflect.ValueOf(before.Sys()).Elem().FieldByName("Gid")),
			fmt.Sprint(reflect.ValueOf(after.Sys()).Elem().FieldByName("Uid"), reflect.ValueOf(after.Sys()).Elem().FieldByName("Gid")))
	}
}

// A pull tells whether somebody changed the file while it was read, in whichever way.
func TestAPullTellsThatTheFileChanged(t *testing.T) {
	t.Parallel()
	const content = "id,name\n1,x\n2,y\n"
	for name, c := range map[string]struct {
		old  bool // the file's times tell
		edit func(path string) error
		want bool
	}{
		"nothing":                  {true, func(string) error { return nil }, false},
		"nothing, young":           {false, func(string) error { return nil }, false},
		"cut":                      {true, func(path string) error { return os.Truncate(path, 9) }, true},
		"in place, young":          {false, func(path string) error { return os.WriteFile(path, []byte("id,name\n1,x\n3,y\n"), 0o600) }, true},
		"removed":                  {true, os.Remove, true},
		"replaced by another file": {true, func(path string) error { return replaced(path, content) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := root(t, map[string]string{"f.csv": content})
			path := filepath.Join(dir.Name(), "f.csv")
			if c.old {
				require.NoError(t, os.Chtimes(path, time.Now().Add(-time.Hour), time.Now().Add(-time.Hour)))
			}
			src, err := open(t.Context(), source.Datasource{Type: Name, FileURL: "f.csv"}, source.Env{Dir: dir})
			require.NoError(t, err)
			reader, err := src.Pull(t.Context(), source.Pull{Spec: source.Spec{Datatype: "row", Key: []string{"id"}}, PageSize: 9})
			require.NoError(t, err)
			page, err := reader.Next(t.Context())
			require.NoError(t, err)
			require.Len(t, page.Rows, 2)
			require.NoError(t, c.edit(path))
			_, err = reader.Next(t.Context())
			require.ErrorIs(t, err, io.EOF)
			why, err := reader.(source.Doubting).Doubt(t.Context())
			require.NoError(t, err)
			require.Equal(t, c.want, why != "")
			require.NoError(t, reader.Close())
		})
	}
}

// replaced replaces a file by a new one, as most editors save.
func replaced(path, content string) error {
	if err := os.WriteFile(path+".new", []byte(content), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
