package sqlitestore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// ErrGone means that the store's files were removed or replaced while the store has them
// open. The operating system keeps removed files for the processes that have them open.
// Writes would still succeed, and be lost when the last of these processes ends. So the
// store fails instead.
var ErrGone = errors.New("its files were removed or replaced while it has them open")

// files holds the store's open files by name, as they were when they were opened.
type files map[string]fs.FileInfo

// openFiles returns the files of an open store. The log and its index (-shm) stay the same
// as long as any process has the store open.
func openFiles(path string) files {
	all := make(files)
	for _, end := range []string{"", "-wal", "-shm"} {
		if info, err := os.Stat(path + end); err == nil {
			all[path+end] = info
		}
	}
	return all
}

// present returns ErrGone if a file was removed, or its name now belongs to another file.
func (f files) present() error {
	for name, opened := range f {
		switch now, err := os.Stat(name); {
		case errors.Is(err, fs.ErrNotExist), err == nil && !os.SameFile(opened, now):
			return fmt.Errorf("%w: %s", ErrGone, name)
		}
	}
	return nil
}
