// Package sqlitestore keeps everything in one SQLite file: the embedded
// default, which needs no server.
//
// Invariants:
//
//   - A write is answered after its commit reached the disk (WAL,
//     synchronous=FULL). kill -9 loses nothing that was answered with nil.
//   - Writes that arrive while a commit is under way share the next one: many
//     callers cost one fsync. The callers do this among themselves; the package
//     starts no goroutine.
//   - Reads use connections of their own and never wait for a write.
//   - Several processes may open the same file on one machine: SQLite locks
//     it, and what is cached (the numbers of names) never changes. They write in
//     turn, and none holds the file for long. Network file systems do not lock
//     well enough.
//
// On failure: a refused write (a duplicate, a conflict) is undone
// alone. An error of SQLite (disk full, I/O, locked by another process for
// longer than busyTimeout) undoes the whole group, and every caller in it gets
// that error; the store stays usable. Nothing is repaired silently: a file that
// is damaged as far as a quick look tells, read-only, foreign, or of a newer version
// is not opened. Damage that shows later is remembered by Writable.
package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/gofrs/flock"
	_ "modernc.org/sqlite" // registers the driver

	"github.com/headgate/headgate/internal/store"
)

const (
	// busyTimeout is how long a write waits for another process.
	busyTimeout = 5 * time.Second
	// foldTimeout is how long Close waits for other processes' reads.
	foldTimeout = 500 * time.Millisecond
	// readers is enough to keep the processors of a small machine busy; each
	// costs a page cache.
	readers       = 4
	writerCacheKB = 8 << 10
	readerCacheKB = 2 << 10
	// A checkpoint syncs the whole file; one per 16 MiB of log is rare enough
	// to cost little and keeps the log small.
	checkpointPages = 4 << 10
	maxLogBytes     = 64 << 20
)

// Store is a store.Store in a file.
type Store struct {
	path   string
	w      *writer
	read   *sql.DB
	q      queries
	names  names
	health *health

	lock    *flock.Flock // shared by all that have the file open
	serving *flock.Flock // nil unless this process serves

	close sync.Once
	err   error // of Close
}

var _ store.Store = (*Store)(nil)

// Open opens the store in the file, which it creates if need be, readable by
// its owner only, as is its folder.
func Open(ctx context.Context, path string) (*Store, error) {
	s, err := open(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("sqlitestore: open %s: %w", path, explain(err))
	}
	return s, nil
}

func open(ctx context.Context, path string) (*Store, error) {
	path, err := createFile(path)
	if err != nil {
		return nil, err
	}
	s := &Store{path: path, names: newNames(), health: newHealth()}
	if s.lock, err = share(path); err != nil {
		return nil, err
	}
	if s.w, err = openWriter(ctx, path, &s.names, s.health); err != nil {
		return nil, errors.Join(err, s.lock.Close())
	}
	s.read, err = sql.Open("sqlite", dsn(path, readerCacheKB, "query_only(1)"))
	if err != nil {
		return nil, errors.Join(err, s.w.close(), s.lock.Close())
	}
	s.read.SetMaxOpenConns(readers)
	s.read.SetMaxIdleConns(readers)
	if err = check(ctx, s.read, path); err == nil {
		s.q, err = prepareQueries(ctx, s.read)
	}
	if err == nil {
		// The store opens on a disk that is too full for a write, because it can be read:
		// Writable tells. (Without the 32 KiB that SQLite maps beside the file, the
		// lines above failed already.)
		if err = s.Writable(ctx); errors.Is(err, ErrFull) {
			err = nil
		}
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.w.files = openFiles(path)
	return s, nil
}

// createFile returns the absolute path of the file, which exists.
func createFile(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	// An existing file is left alone: closing it here would drop the locks that
	// this process may hold on it through another Store (a rule of POSIX).
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrExist) {
		if info, err := os.Stat(path); err == nil && info.IsDir() { // SQLite would say that it cannot be opened
			return "", fmt.Errorf("%w: it is a directory", ErrForeign)
		}
		return path, nil
	}
	if err != nil {
		return "", err
	}
	if err := f.Close(); err != nil {
		return "", err
	}
	d, err := os.Open(dir)
	if err != nil {
		return "", err
	}
	defer d.Close()
	return path, d.Sync() // the name is durable, too
}

func dsn(path string, cacheKB int, pragmas ...string) string {
	pragmas = append([]string{
		"busy_timeout(" + strconv.FormatInt(busyTimeout.Milliseconds(), 10) + ")",
		"synchronous(FULL)",
		"cache_size(-" + strconv.Itoa(cacheKB) + ")",
		"trusted_schema(0)",
	}, pragmas...)
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + url.Values{"_pragma": pragmas}.Encode()
}

// Close waits for writes under way and closes the file. If no other process has
// it open, everything is in that one file then.
func (s *Store) Close() error {
	s.close.Do(func() {
		// The readers first, for they keep the writer from folding the log into the
		// file. The locks last, for until then the file is in use.
		err := errors.Join(s.read.Close(), s.w.close())
		s.health.Ended(errClosed)
		if s.serving != nil {
			err = errors.Join(err, s.serving.Close())
		}
		if err = errors.Join(err, s.lock.Close()); err != nil {
			s.err = fmt.Errorf("sqlitestore: close: %w", err)
		}
	})
	return s.err
}
