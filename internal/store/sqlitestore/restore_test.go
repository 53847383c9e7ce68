package sqlitestore

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/store"
)

// A restore that fails before it changes the store leaves no copy of the log behind, and
// removes one that a killed restore left.
func TestRestoreThatCannotKeepTheLog(t *testing.T) {
	t.Parallel()
	path, backup := closedStore(t, 10), closedStore(t, 1)
	require.NoError(t, os.WriteFile(path+"-wal", []byte("a log"), 0o600))
	require.NoError(t, os.WriteFile(path+keptInfix+"19990101T000000.000Z-wal", []byte("x"), 0o600))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := keepFormer(ctx, path, time.Now())
	require.ErrorIs(t, err, context.Canceled)
	require.FileExists(t, path+"-wal")
	left, err := filepath.Glob(path + keptInfix + "*")
	require.NoError(t, err)
	require.Empty(t, left)
	_, err = Restore(t.Context(), path, backup, time.Now(), nil)
	require.NoError(t, err)
}

func TestRestore(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	s, err := Open(t.Context(), path)
	require.NoError(t, err)
	early := fill(t, s, 50)
	backup := filepath.Join(t.TempDir(), "backup")
	require.NoError(t, Backup(t.Context(), path, backup, nil))
	late := fill(t, s, 50)

	_, err = Restore(t.Context(), path, backup, time.Now(), nil)
	require.ErrorIs(t, err, ErrInUse)
	other, err := s.Serve("process 7 http://127.0.0.1:8080")
	require.NoError(t, err)
	require.Empty(t, other)
	_, err = Restore(t.Context(), path, backup, time.Now(), nil)
	require.ErrorIs(t, err, ErrInUse)
	require.ErrorContains(t, err, "process 7 http://127.0.0.1:8080")
	_, err = s.Events(t.Context(), "s", late)
	require.NoError(t, err, "a refusal changes nothing")
	require.NoError(t, s.Close())

	kept, err := Restore(t.Context(), path, backup, time.Now(), nil)
	require.NoError(t, err)
	requireEvents(t, path, early)
	requireNoEvent(t, path, late[0])
	requireEvents(t, kept, append(early, late...))

	fresh := filepath.Join(t.TempDir(), "new", "store.db")
	kept, err = Restore(t.Context(), fresh, backup, time.Now(), nil)
	require.NoError(t, err)
	require.Empty(t, kept)
	requireEvents(t, fresh, early)
	info, err := os.Stat(fresh)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

func requireNoEvent(t *testing.T, path string, m store.Member) {
	t.Helper()
	s, err := Open(t.Context(), path)
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	_, err = s.Events(t.Context(), "s", []store.Member{m})
	require.ErrorIs(t, err, store.ErrNotFound)
}

// A directory's name may look like a pattern. Restore removes the files that killed restores
// left in that directory, and none in directories that the pattern would match.
func TestRestoreInADirectoryWithAnyName(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	for _, name := range []string{"a[1]", "a*", "a?", "[", "a\\b"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			dir, other := filepath.Join(root, name), filepath.Join(root, "ab")
			path := filepath.Join(dir, "store.db")
			var here, there []string
			for in, names := range map[string]*[]string{dir: &here, other: &there} {
				require.NoError(t, os.Mkdir(in, 0o700))
				for _, end := range []string{".restoring-1", keptInfix + "19990101T000000.000Z-wal"} {
					*names = append(*names, filepath.Join(in, "store.db"+end))
					require.NoError(t, os.WriteFile(filepath.Join(in, "store.db"+end), nil, 0o600))
				}
			}
			s := openAt(t, path)
			former := fill(t, s, 3)
			require.NoError(t, s.Close())
			kept, err := Restore(t.Context(), path, closedStore(t, 1), at, nil)
			require.NoError(t, err)
			require.Equal(t, path+keptInfix+"20260701T120000.000Z", kept)
			requireEvents(t, kept, former)
			for _, left := range here {
				require.NoFileExists(t, left)
			}
			_, err = Restore(t.Context(), path, closedStore(t, 1), at, nil)
			require.ErrorContains(t, err, "exists already, and is kept")
			requireEvents(t, kept, former)
			for _, others := range there {
				require.FileExists(t, others)
			}
		})
	}
}

// The former store is kept whole, even if its process was killed or its file is damaged.
func TestRestoreKeepsTheFormerStore(t *testing.T) {
	t.Parallel()
	backup := closedStore(t, 1)
	t.Run("killed", func(t *testing.T) {
		t.Parallel()
		// A killed process leaves a file and its log.
		path := filepath.Join(t.TempDir(), "store.db")
		s := openAt(t, filepath.Join(t.TempDir(), "store.db"))
		members := fill(t, s, 100)
		for _, suffix := range []string{"", "-wal"} {
			data, err := os.ReadFile(s.path + suffix)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(path+suffix, data, 0o600))
		}
		kept, err := Restore(t.Context(), path, backup, time.Now(), nil)
		require.NoError(t, err)
		requireEvents(t, kept, members)
		requireNoEvent(t, path, members[0])
	})
	t.Run("damaged", func(t *testing.T) {
		t.Parallel()
		path := closedStore(t, 1000)
		overwrite(t, path, 0, 8192)
		damaged, err := os.ReadFile(path)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(path+"-wal", []byte("an unreadable log"), 0o600))
		kept, err := Restore(t.Context(), path, backup, time.Now(), nil)
		require.NoError(t, err)
		got, err := os.ReadFile(kept)
		require.NoError(t, err)
		require.Equal(t, damaged, got)
		log, err := os.ReadFile(kept + "-wal")
		require.NoError(t, err)
		require.Equal(t, "an unreadable log", string(log))
		require.NoError(t, openAt(t, path).Writable(t.Context()))
	})
}

func TestRestoreRefusesFilesThatAreNoBackup(t *testing.T) {
	t.Parallel()
	path := closedStore(t, 10)
	before, err := os.ReadFile(path)
	require.NoError(t, err)
	write := func(name string, data []byte) string {
		file := filepath.Join(t.TempDir(), name)
		require.NoError(t, os.WriteFile(file, data, 0o600))
		return file
	}
	half := closedStore(t, 1000)
	overwrite(t, half, 40<<10, 20<<10)
	withLog := closedStore(t, 10)
	require.NoError(t, os.WriteFile(withLog+"-wal", []byte("x"), 0o600))
	for name, c := range map[string]struct{ from, want string }{
		"empty":        {write("empty", nil), "no Headgate store"},
		"text":         {write("text", []byte("this is not a database, and long enough to be looked at as one....................................")), "not a database"},
		"damaged":      {half, "damaged"},
		"absent":       {filepath.Join(t.TempDir(), "absent"), "no such file"},
		"a folder":     {t.TempDir(), "not a regular file"},
		"with a log":   {withLog, "-wal"},
		"store itself": {path, "store itself"},
	} {
		_, err := Restore(t.Context(), path, c.from, time.Now(), nil)
		require.ErrorContains(t, err, c.want, name)
		after, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, before, after, name)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.LessOrEqual(t, len(left), 3, "%v: nothing is left beside the store and its locks", left)
}

const childRestore = "SQLITESTORE_TEST_CHILD_RESTORE"

// A restore that is killed at any moment leaves either the former store or the restored one.
func TestAttackKillDuringRestore(t *testing.T) {
	t.Parallel()
	rounds := 5
	if os.Getenv("HEADGATE_ATTACK") != "" {
		rounds = 60
	}
	exe, err := os.Executable()
	require.NoError(t, err)
	backup := filepath.Join(t.TempDir(), "backup")
	src := filepath.Join(t.TempDir(), "store.db")
	s, err := Open(t.Context(), src)
	require.NoError(t, err)
	restored := fill(t, s, 3000)
	require.NoError(t, s.Close())
	require.NoError(t, Backup(t.Context(), src, backup, nil))

	path := filepath.Join(t.TempDir(), "store.db")
	s, err = Open(t.Context(), path)
	require.NoError(t, err)
	former := fill(t, s, 3000)
	require.NoError(t, s.Close())

	ended := 0
	for round := range rounds {
		cmd := exec.CommandContext(t.Context(), exe)
		cmd.Env = append(os.Environ(), childFile+"="+path, childRestore+"="+backup)
		require.NoError(t, cmd.Start())
		killed := time.AfterFunc(time.Duration(round)*150*time.Millisecond/time.Duration(rounds)+5*time.Millisecond, func() { _ = cmd.Process.Kill() })
		if cmd.Wait() == nil {
			ended++
		}
		killed.Stop()

		s, err := Open(t.Context(), path)
		require.NoError(t, err, "round %d", round)
		require.NoError(t, runCheck(t.Context(), s.read, "PRAGMA integrity_check"))
		_, errFormer := s.Events(t.Context(), "s", former)
		_, errRestored := s.Events(t.Context(), "s", restored)
		require.True(t, (errFormer == nil) != (errRestored == nil), "round %d: former %v, restored %v", round, errFormer, errRestored)
		require.NoError(t, s.Close())
		if errFormer != nil { // put the former store back for the next round
			kept, err := filepath.Glob(path + ".before-restore-*Z")
			require.NoError(t, err)
			require.NotEmpty(t, kept)
			requireEvents(t, kept[len(kept)-1], former)
			for _, name := range []string{path, path + "-wal", path + "-shm"} {
				_ = os.Remove(name)
			}
			require.NoError(t, os.Rename(kept[len(kept)-1], path))
			rest, err := filepath.Glob(path + ".before-restore-*")
			require.NoError(t, err)
			for _, name := range rest {
				require.NoError(t, os.Remove(name))
			}
		}
	}
	_, err = Restore(t.Context(), path, backup, time.Now(), nil)
	require.NoError(t, err)
	left, err := filepath.Glob(path + ".restoring-*")
	require.NoError(t, err)
	require.Empty(t, left, "a restore removes the files of killed ones")
	t.Logf("%d of %d restores ended before they were killed", ended, rounds)
}

func TestOpenDuringARestore(t *testing.T) {
	t.Parallel()
	path := closedStore(t, 1)
	lock, err := alone(path)
	require.NoError(t, err)
	_, err = Open(t.Context(), path)
	require.ErrorIs(t, err, ErrRestoring)
	require.ErrorIs(t, Backup(t.Context(), path, filepath.Join(t.TempDir(), event.RandomID()), nil), ErrRestoring)
	require.NoError(t, lock.Close())
	openAt(t, path)
}
