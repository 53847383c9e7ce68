package csvsource

import (
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"

	"github.com/headgate/headgate/internal/platform/fault"
)

const temporaryEnd = ".tmp"

// temporaryName matches the part of a temporary file's name between the name of the
// source's file and temporaryEnd.
var temporaryName = regexp.MustCompile(`^\.[A-Z2-7]{8}$`)

// temporary creates the new file beside the source's file. held carries a lock that shows
// that the new file is in use; the caller closes held last. A killed process leaves its
// copy behind, but its lock is gone, so the next push can remove the copy safely.
func (f *file) temporary() (name string, out, held *os.File, err error) {
	for try := range maxTries {
		name = f.path + "." + rand.Text()[:8] + temporaryEnd
		out, err = f.env.Dir.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return "", nil, nil, err
		}
		held, err = f.env.Dir.Open(name)
		// Another process may remove the file between its creation and the lock; then
		// the next try makes a new one. On a file system without locks, hold always
		// fails. The last try accepts that: removeStale fails to lock there as well and
		// so removes no file in use.
		if err == nil && (hold(held) || try == maxTries-1) && f.is(name, held) {
			return name, out, held, nil
		}
		_ = f.env.Dir.Remove(name)
		if held != nil {
			err = errors.Join(err, held.Close())
		}
		err = errors.Join(err, out.Close())
	}
	return "", nil, nil, fault.Wrap(fault.Unavailable, err, "another process removed the new file beside %s at once, in each of %d attempts", f.path, maxTries)
}

// is reports whether h is an open regular file that still has the name.
func (f *file) is(name string, h *os.File) bool {
	there, err := f.env.Dir.Lstat(name)
	opened, errOpened := h.Stat()
	return err == nil && errOpened == nil && there.Mode().IsRegular() && os.SameFile(there, opened)
}

// removeStale removes the temporary files that killed processes left beside the file. It
// returns no error, because a file that stays costs only space.
func (f *file) removeStale() {
	dir, err := f.env.Dir.Open(filepath.Dir(f.path))
	if err != nil {
		return
	}
	names, err := dir.Readdirnames(-1)
	if errors.Join(err, dir.Close()) != nil {
		return
	}
	for _, name := range names {
		rest, ours := strings.CutPrefix(name, filepath.Base(f.path))
		rest, temporary := strings.CutSuffix(rest, temporaryEnd)
		if ours && temporary && temporaryName.MatchString(rest) {
			f.removeUnheld(filepath.Join(filepath.Dir(f.path), name))
		}
	}
}

// removeUnheld removes a temporary file unless a push is using it.
func (f *file) removeUnheld(name string) {
	info, err := f.env.Dir.Lstat(name)
	if err != nil || !info.Mode().IsRegular() {
		return
	}
	h, err := f.env.Dir.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return
	}
	defer func() { _ = h.Close() }()
	// While this lock is held, the file's creator fails to lock it and makes another one.
	// The check of the name keeps a new file with the same name.
	if hold(h) && f.is(name, h) {
		_ = f.env.Dir.Remove(name)
	}
}
