package run_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// Files of syncs that cannot be written: a file that nobody may write, a directory that this
// user may not write in, and a file system that is read-only. Each is told, pulls go on, and
// nothing is lost once the file can be written.

var fileKinds = map[string]string{"csv": "items.csv", "sqlite": "some.db"}

func TestAReadOnlyFile(t *testing.T) {
	t.Parallel()
	for kind, name := range fileKinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			f := withFaults(t, kind, nil)
			file := filepath.Join(f.dir, name)
			require.NoError(t, os.Chmod(file, 0o444))
			f.survives(t, "the file "+name+" is read-only: give it the right to be written", "chmod", func() { require.NoError(t, os.Chmod(file, 0o644)) })
		})
	}
}

func TestAReadOnlyDirectory(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		t.Skip("root may write in every directory: run the test as another user")
	}
	for kind, says := range map[string]string{"csv": "this process may not write in its directory", "sqlite": "its directory or their file system is read-only for this process"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			f := withFaults(t, kind, nil)
			require.NoError(t, os.Chmod(f.dir, 0o555))
			t.Cleanup(func() { _ = os.Chmod(f.dir, 0o755) })
			f.survives(t, says, "chmod", func() { require.NoError(t, os.Chmod(f.dir, 0o755)) })
		})
	}
}

func TestAReadOnlyFileSystem(t *testing.T) {
	t.Parallel()
	for kind, says := range map[string]string{"csv": "its file system is read-only", "sqlite": "their file system is read-only"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			var dir string
			mount := func(flags uintptr) {
				err := syscall.Mount(dir, dir, "", syscall.MS_BIND|flags, "")
				if errors.Is(err, syscall.EPERM) {
					require.Empty(t, os.Getenv("HEADGATE_REQUIRE_ROOT"), "a user that may mount is needed")
					t.Skip("this user may not mount")
				}
				require.NoError(t, err)
			}
			f := withFaults(t, kind, func(o *outside) {
				dir = o.dir
				mount(0)
				t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
			})
			mount(syscall.MS_REMOUNT | syscall.MS_RDONLY)
			f.survives(t, says, "remount", func() { mount(syscall.MS_REMOUNT) })
		})
	}
}
