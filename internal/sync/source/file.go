package source

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/headgate/headgate/internal/platform/credential"
	"github.com/headgate/headgate/internal/platform/fault"
)

// OpenFile opens a file in Dir for reading. The path comes from a definition, so no
// source opens a file in any other way. OpenFile refuses paths that lead out of Dir, the
// embedded store and its copies, and everything but regular files. It never blocks, not
// even on a pipe without a writer or on a device.
func (e Env) OpenFile(path string) (*os.File, error) {
	if e.Dir == nil && e.Bucket != "" {
		return nil, fault.New(fault.Invalid, "sync.directory is %s, where syncs may read CSV files only", e.Bucket)
	}
	if e.Dir == nil {
		return nil, fault.New(fault.Invalid, "this deployment lets syncs use no files: sync.directory is not configured")
	}
	if err := e.Reachable(path); err != nil {
		return nil, err
	}
	// Opening a device can have an effect, so its type is checked before the file is
	// opened. Another file can take its place before the open. O_NONBLOCK keeps the open
	// from blocking then, and the check of the open file refuses it.
	info, err := e.Dir.Stat(path)
	if err != nil {
		return nil, pathError(path, err)
	}
	if err := regular(path, info); err != nil {
		return nil, err
	}
	f, err := e.Dir.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, pathError(path, err)
	}
	if info, err = f.Stat(); err == nil {
		err = regular(path, info)
	}
	if err == nil {
		err = e.checkHead(path, f)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// checkHead refuses an open file that begins like an embedded store.
func (e Env) checkHead(path string, f *os.File) error {
	head := make([]byte, 100)
	n, err := f.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return pathError(path, err)
	}
	return e.NotStore(path, head[:n])
}

// NotStore returns a fault if content begins like an embedded store, ours or a copy. A
// source that unpacks a file calls it with the unpacked bytes, because OpenFile saw only
// the packed ones.
func (e Env) NotStore(name string, head []byte) error {
	if e.IsStore == nil || !e.IsStore(head) {
		return nil
	}
	return fault.New(fault.Invalid, "the file %s is Headgate's own, or a copy: it has the credentials of all syncs", credential.RedactURL(name))
}

// regular returns a fault that names the type of anything but a regular file.
func regular(path string, info fs.FileInfo) error {
	if info.Mode().IsRegular() {
		return nil
	}
	what := "a device"
	switch mode := info.Mode(); {
	case mode.IsDir():
		what = "a directory"
	case mode&fs.ModeNamedPipe != 0:
		what = "a pipe"
	case mode&fs.ModeSocket != 0:
		what = "a socket"
	}
	return fault.New(fault.Invalid, "%s is %s, not a file", credential.RedactURL(path), what)
}

// pathError turns an error of the file system into one for people. It leaves out the
// path of Dir, which tells callers about this machine.
func pathError(path string, err error) error {
	path = credential.RedactURL(path) // it may be a URL that lacks its host
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err // drops the full path, because the cause is logged
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fault.Wrap(fault.NotFound, err, "there is no file %s in the directory that syncs may use", path)
	case errors.Is(err, fs.ErrPermission):
		return fault.Wrap(fault.Invalid, err, "the file %s may not be read", path)
	default: // such as a path that leads out of Dir, which os.Root refuses
		return fault.Wrap(fault.Invalid, err, "the file %s cannot be opened in the directory that syncs may use", path)
	}
}

// Reachable returns a fault if the path in Dir leads to the embedded store or to one of
// the files that SQLite keeps beside it. It compares names and inodes: a symbolic link
// shows in the name, a hard link only in the inode.
func (e Env) Reachable(path string) error {
	if e.Own == "" {
		return nil
	}
	refused := fault.New(fault.Invalid, "the file %s is Headgate's own", credential.RedactURL(path))
	full, err := realPath(filepath.Join(e.Dir.Name(), path))
	if err != nil {
		return nil // a path that cannot be resolved cannot be opened
	}
	own, err := realPath(e.Own)
	if err != nil {
		return nil
	}
	if strings.HasPrefix(full, own) {
		return refused
	}
	a, errA := os.Stat(full)
	for _, end := range []string{"", "-wal", "-shm", "-journal"} {
		b, errB := os.Stat(own + end)
		if errA == nil && errB == nil && os.SameFile(a, b) {
			return refused
		}
	}
	return nil
}

// realPath returns the absolute path without symbolic links. The file itself need not
// exist, but its directory must.
func realPath(path string) (string, error) {
	full, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if r, err := filepath.EvalSymlinks(full); err == nil {
		return r, nil
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(full))
	return filepath.Join(dir, filepath.Base(full)), err
}
