package sqlitestore

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// ErrInUse says that another process has the store open.
var ErrInUse = errors.New("another process has the store open")

// ErrRestoring says that a restore is under way.
var ErrRestoring = errors.New("a restore is under way: wait until it has ended")

// Three files beside the store have no content that matters; the system drops
// their locks with the process. Every process that has the store open shares the
// lock of lockFile, so that Restore, which replaces the file, can have it alone.
// The one that serves has servingFile, where it says who it is. Those that wait to
// write share the lock of waitingFile.
func lockFile(path string) string    { return path + ".lock" }
func servingFile(path string) string { return path + ".serving" }
func waitingFile(path string) string { return path + ".waiting" }

func newLock(path string) *flock.Flock { return flock.New(path, flock.SetPermissions(0o600)) }

// share takes a share of the lock.
func share(path string) (*flock.Flock, error) {
	l := newLock(lockFile(path))
	ok, err := l.TryRLock()
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	if !ok {
		return nil, ErrRestoring
	}
	if err := adopt(lockFile(path), path); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// alone takes the whole lock.
func alone(path string) (*flock.Flock, error) {
	l := newLock(lockFile(path))
	ok, err := l.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	if !ok {
		if other := servedBy(path); other != "" {
			return nil, fmt.Errorf("%w: %s", ErrInUse, other)
		}
		return nil, ErrInUse
	}
	if err := adopt(lockFile(path), path); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// serveAttempts are a millisecond apart.
const serveAttempts = 1000

// Serve marks the store as served by this process until it is closed; who says
// which process that is, for others to read. If another process serves it already,
// Serve returns what that one said, and marks nothing: both may go on.
func (s *Store) Serve(who string) (other string, err error) {
	l := newLock(servingFile(s.path))
	for attempt := 0; ; attempt++ {
		ok, err := l.TryLock()
		if err != nil {
			return "", fmt.Errorf("sqlitestore: serve %s: %w", s.path, err)
		}
		if ok {
			break
		}
		if other = servedBy(s.path); other != "" {
			return other, nil
		}
		if attempt == serveAttempts {
			return "another process", nil
		}
		time.Sleep(time.Millisecond) // somebody only asked who serves, or is about to say who it is
	}
	if err := os.WriteFile(servingFile(s.path), []byte(who+"\n"), 0o600); err != nil {
		return "", errors.Join(fmt.Errorf("sqlitestore: serve %s: %w", s.path, err), l.Close())
	}
	s.serving = l
	return "", adopt(servingFile(s.path), s.path)
}

// ServedBy returns what the process that serves the store in the file says about
// itself, see [Store.Serve]; "" if no process does. Unlike Open it makes no file.
func ServedBy(path string) string {
	if _, err := os.Stat(servingFile(path)); err != nil {
		return "" // asking for a lock would make its file
	}
	return servedBy(path)
}

// servedBy returns what the process that serves the store says about itself; ""
// if none does, or it cannot be read.
func servedBy(path string) string {
	l := newLock(servingFile(path))
	if ok, err := l.TryRLock(); ok || err != nil { // what is in the file is of a process that ended
		_ = l.Close()
		return ""
	}
	said, err := os.ReadFile(servingFile(path))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(said))
}
