package sqlitestore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// SQLite maps a file of 32 KiB beside the store. Without space for that file a store cannot
// be opened. With little more space it can be read, and Writable reports the full disk.
func TestOpenOnAFullDisk(t *testing.T) {
	t.Parallel()
	for free, opens := range map[int64]bool{0: false, 64 << 10: true} {
		t.Run(fmt.Sprint(free), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=2m")
			if errors.Is(err, syscall.EPERM) {
				require.Empty(t, os.Getenv("HEADGATE_REQUIRE_ROOT"), "a user that may mount is needed")
				t.Skip("this user may not mount: skipped a test on a disk of its own")
			}
			require.NoError(t, err)
			t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
			path := filepath.Join(dir, "store.db")
			s, err := Open(t.Context(), path)
			require.NoError(t, err)
			members := fill(t, s, 3)
			require.NoError(t, s.Close())
			leave(t, filepath.Join(dir, "ballast"), free)

			s, err = Open(t.Context(), path)
			if !opens {
				require.ErrorIs(t, err, ErrFull)
				return
			}
			require.NoError(t, err)
			require.ErrorIs(t, s.Writable(t.Context()), ErrFull)
			_, err = s.Events(t.Context(), "s", members)
			require.NoError(t, err)
			require.NoError(t, s.Close())
		})
	}
}

// leave fills the disk with a file until only free bytes are left.
func leave(t *testing.T, path string, free int64) {
	t.Helper()
	f, err := os.Create(path)
	require.NoError(t, err)
	size := int64(0)
	for n := 0; err == nil; size += int64(n) {
		n, err = f.Write(make([]byte, 4<<10))
	}
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.NoError(t, f.Truncate(size-free))
	require.NoError(t, f.Close())
}
