package sqlitestore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// ErrGone says that the store's files were removed or replaced while it has them open.
// The system keeps them for the processes that do, so writes would still succeed, and be
// lost when the last one ends.
var ErrGone = errors.New("its files were removed or replaced while it has them open")

// files are what the store has open, by their names as of then.
type files map[string]fs.FileInfo

// openFiles returns the files of an open store. The log and what SQLite shares of it
// between processes stay the same as long as one of them has the store open.
func openFiles(path string) files {
	all := make(files)
	for _, end := range []string{"", "-wal", "-shm"} {
		if info, err := os.Stat(path + end); err == nil {
			all[path+end] = info
		}
	}
	return all
}

// there returns ErrGone if a name has no file any more, or another one.
func (f files) there() error {
	for name, opened := range f {
		switch now, err := os.Stat(name); {
		case errors.Is(err, fs.ErrNotExist), err == nil && !os.SameFile(opened, now):
			return fmt.Errorf("%w: %s", ErrGone, name)
		}
	}
	return nil
}
