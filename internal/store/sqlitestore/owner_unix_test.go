//go:build unix

package sqlitestore

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// An administrator may back up and restore as root. The server, which runs as another user,
// must be able to open all files afterwards.
func TestRootLeavesTheFilesToTheOwner(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		require.Empty(t, os.Getenv("HEADGATE_REQUIRE_ROOT"), "root is needed")
		t.Skip("needs root")
	}
	const user = 65532
	requireOwner := func(path string) {
		t.Helper()
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, uint32(user), info.Sys().(*syscall.Stat_t).Uid, path)
	}
	path := closedStore(t, 10)
	backup := filepath.Join(t.TempDir(), "backup")
	require.NoError(t, os.Remove(lockFile(path)))
	require.NoError(t, os.Chown(path, user, user))
	require.NoError(t, Backup(t.Context(), path, backup, nil))
	requireOwner(lockFile(path))

	require.NoError(t, os.Remove(lockFile(path)))
	kept, err := Restore(t.Context(), path, backup, time.Now(), nil)
	require.NoError(t, err)
	for _, name := range []string{path, lockFile(path), kept} {
		requireOwner(name)
	}

	fresh := filepath.Join(t.TempDir(), "store.db")
	require.NoError(t, os.Chown(filepath.Dir(fresh), user, user))
	_, err = Restore(t.Context(), fresh, backup, time.Now(), nil)
	require.NoError(t, err)
	requireOwner(fresh)
	s := openAt(t, fresh)
	_, err = s.Serve("process 1")
	require.NoError(t, err)
	requireOwner(servingFile(fresh))

	// The owner may put a link there to get another user's file. That file must not change.
	other := filepath.Join(t.TempDir(), "other")
	require.NoError(t, os.WriteFile(other, nil, 0o600))
	for _, put := range []func(string, string) error{os.Symlink, os.Link} {
		require.NoError(t, os.Remove(lockFile(path)))
		require.NoError(t, put(other, lockFile(path)))
		require.NoError(t, os.RemoveAll(backup))
		require.NoError(t, Backup(t.Context(), path, backup, nil))
		info, err := os.Stat(other)
		require.NoError(t, err)
		require.Zero(t, info.Sys().(*syscall.Stat_t).Uid)
	}
}
