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

// temporaryName matches what is between the name of the source's file and temporaryEnd.
var temporaryName = regexp.MustCompile(`^\.[A-Z2-7]{8}$`)

// temporary creates the file that will replace the source's, beside it. held, which the
// caller closes last, shows others that it is in use: a process that is killed leaves a
// whole copy, and the next push removes those that nobody holds.
func (f *file) temporary() (name string, out, held *os.File, err error) {
	for try := range maxTries {
		name = f.path + "." + rand.Text()[:8] + temporaryEnd
		out, err = f.env.Dir.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return "", nil, nil, fault.Wrap(fault.Invalid, err, "no file can be written beside %s", f.path)
		}
		held, err = f.env.Dir.Open(name)
		// A push of another process may have come between the creation and the lock. Some
		// file systems have no locks: there, nobody removes a file that is in use either.
		if err == nil && (hold(held) || try == maxTries-1) && f.is(name, held) {
			return name, out, held, nil
		}
		_ = f.env.Dir.Remove(name)
		if held != nil {
			err = errors.Join(err, held.Close())
		}
		err = errors.Join(err, out.Close())
	}
	return "", nil, nil, fault.Wrap(fault.Unavailable, err, "the file that was written beside %s was removed at once, each of %d times", f.path, maxTries)
}

// is reports whether h is the file of that name.
func (f *file) is(name string, h *os.File) bool {
	there, err := f.env.Dir.Lstat(name)
	opened, errOpened := h.Stat()
	return err == nil && errOpened == nil && there.Mode().IsRegular() && os.SameFile(there, opened)
}

// removeStale removes what processes that were killed left beside the file. It is no
// reason to fail: what stays costs only space.
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
	// While we hold it, its creator does not take it for its own; and a name that has
	// another file by now is not removed.
	if hold(h) && f.is(name, h) {
		_ = f.env.Dir.Remove(name)
	}
}
