package sqlitestore

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// ErrInUse means that another process has the store open.
var ErrInUse = errors.New("another process has the store open")

// ErrRestoring means that a restore is under way.
var ErrRestoring = errors.New("a restore is under way: wait until it has ended")

// lockFile, servingFile and waitingFile return the paths of the files beside the store that
// serve as locks. The operating system drops a process's locks when it ends, so a killed
// process leaves none behind.
//
//   - lockFile: every process that has the store open holds a shared lock. Restore replaces
//     the store's file, and needs the exclusive lock.
//   - servingFile: the process that serves holds the exclusive lock, and writes its address
//     into the file for others to read.
//   - waitingFile: processes that wait to write hold a shared lock, see [turns].
func lockFile(path string) string    { return path + ".lock" }
func servingFile(path string) string { return path + ".serving" }
func waitingFile(path string) string { return path + ".waiting" }

func newLock(path string) *flock.Flock { return flock.New(path, flock.SetPermissions(0o600)) }

// share takes a shared lock on lockFile. It fails with ErrRestoring during a restore.
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

// alone takes the exclusive lock on lockFile. It fails with ErrInUse if any process has the
// store open.
func alone(path string) (*flock.Flock, error) {
	l := newLock(lockFile(path))
	ok, err := l.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	if !ok {
		if other := readServing(path); other != "" {
			return nil, fmt.Errorf("%w: %s", ErrInUse, other)
		}
		return nil, ErrInUse
	}
	if err := adopt(lockFile(path), path); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// serveAttempts bounds the attempts of Serve to take the lock. They are a millisecond apart.
const serveAttempts = 1000

// Serve marks the store as served by this process until the store is closed. Other processes
// can read who, which describes this process. If another process serves the store already,
// Serve returns that one's description and marks nothing. That is no error: both processes
// may use the store.
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
		if other = readServing(s.path); other != "" {
			return other, nil
		}
		if attempt == serveAttempts {
			return "another process", nil
		}
		time.Sleep(time.Millisecond) // the holder only reads the file, or is about to write its description
	}
	if err := os.WriteFile(servingFile(s.path), []byte(who+"\n"), 0o600); err != nil {
		return "", errors.Join(fmt.Errorf("sqlitestore: serve %s: %w", s.path, err), l.Close())
	}
	s.serving = l
	return "", adopt(servingFile(s.path), s.path)
}

// ServedBy returns the description of the process that serves the store in the file, see
// [Store.Serve], or "" if no process does. Unlike Open it creates no file.
func ServedBy(path string) string {
	if _, err := os.Stat(servingFile(path)); err != nil {
		return "" // taking the lock would create its file
	}
	return readServing(path)
}

// readServing returns the description of the process that serves the store, or "" if no
// process does, or the file cannot be read.
func readServing(path string) string {
	l := newLock(servingFile(path))
	if ok, err := l.TryRLock(); ok || err != nil { // no process holds the lock, so the file's content is old
		_ = l.Close()
		return ""
	}
	said, err := os.ReadFile(servingFile(path))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(said))
}
