//go:build unix

package sqlitestore

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// adopt gives a file that root created beside the store to the store's owner, or to the
// directory's owner if there is no store. A server that runs as that user could not open the
// file otherwise. It leaves a file with a second name alone, because the other name may
// belong to an unrelated file elsewhere.
func adopt(file, path string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	like, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		like, err = os.Stat(filepath.Dir(path))
	}
	if err != nil {
		return err
	}
	info, err := os.Lstat(file)
	if err != nil {
		return err
	}
	owner, known := like.Sys().(*syscall.Stat_t)
	own, knownToo := info.Sys().(*syscall.Stat_t)
	if !known || !knownToo || own.Uid != 0 || owner.Uid == 0 || !info.Mode().IsRegular() || own.Nlink != 1 {
		return nil
	}
	return os.Lchown(file, int(owner.Uid), int(owner.Gid))
}
