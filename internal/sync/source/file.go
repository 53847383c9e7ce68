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

// OpenFile opens a file of Dir for reading. A definition names it, so this is the one
// door to files: outside of Dir, the embedded store and anything but a regular file
// are refused. A pipe without a writer, or a device, does not keep the caller waiting.
func (e Env) OpenFile(path string) (*os.File, error) {
	if e.Dir == nil {
		return nil, fault.New(fault.Invalid, "this deployment lets syncs use no files: sync.directory is not configured")
	}
	if err := e.Reachable(path); err != nil {
		return nil, err
	}
	// Opening a device can do something already, so it is looked at first. What takes
	// its place in between is found out by the second look, and does not block.
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
		err = e.notStore(path, f)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (e Env) notStore(path string, f *os.File) error {
	head := make([]byte, 100)
	n, err := f.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return pathError(path, err)
	}
	return e.NotStore(path, head[:n])
}

// NotStore refuses content that begins as an embedded store does, ours or a copy of
// one. A source that unpacks a file asks for what it finds: OpenFile saw only the packed
// bytes.
func (e Env) NotStore(name string, head []byte) error {
	if e.IsStore == nil || !e.IsStore(head) {
		return nil
	}
	return fault.New(fault.Invalid, "the file %s is Headgate's own, or a copy: it has the credentials of all syncs", credential.RedactURL(name))
}

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

// pathError makes an error of the file system one for people, without the
// directory's own path.
func pathError(path string, err error) error {
	path = credential.RedactURL(path) // it may be a URL that lacks its host
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err // without the path, for it is logged
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fault.Wrap(fault.NotFound, err, "there is no file %s in the directory that syncs may use", path)
	case errors.Is(err, fs.ErrPermission):
		return fault.Wrap(fault.Invalid, err, "the file %s may not be read", path)
	default: // os.Root refuses what leads out of it
		return fault.Wrap(fault.Invalid, err, "the file %s cannot be opened in the directory that syncs may use", path)
	}
}

// Reachable returns a fault if the path in Dir is that of the embedded store, or of
// a file beside it that is part of it.
func (e Env) Reachable(path string) error {
	if e.Own == "" {
		return nil
	}
	refused := fault.New(fault.Invalid, "the file %s is Headgate's own", credential.RedactURL(path))
	full, err := realPath(filepath.Join(e.Dir.Name(), path))
	if err != nil {
		return nil // it cannot be opened either
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

// realPath returns the path without links, also of a file that is not there yet.
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
