// Package sqlitestore keeps everything in one SQLite file. It is the embedded default,
// which needs no server (docs/decisions/003).
//
// Invariants:
//
//   - A write is answered after its commit has reached the disk (WAL, synchronous=FULL).
//     kill -9 loses no write that was answered with nil.
//   - Writes that arrive while a commit is under way share the next one, so many callers
//     cost one fsync (docs/decisions/015). One of the callers runs the shared commit; the
//     package starts no goroutine.
//   - Reads use connections of their own and never wait for a write.
//   - Several processes on one machine may open the same file. SQLite locks it, and the
//     only cached data, the numbers of names, never change. The processes write in turn,
//     and none holds the file for long. Each can read which documents others wrote.
//     Network file systems do not lock reliably enough.
//
// A refused write (a duplicate, a conflict) is undone alone, and the rest of its group is
// stored. An error of SQLite (disk full, I/O, locked by another process for longer than
// busyTimeout) undoes the whole group. Every caller in the group gets the error, and the
// store stays usable.
//
// Nothing is repaired silently. Open refuses a file that is read-only, foreign, of a newer
// version, or damaged as far as a quick check can tell. Writable reports damage that is
// found later.
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
	// busyTimeout bounds the time that a write waits for another process.
	busyTimeout = 5 * time.Second
	// foldTimeout bounds the time that Close waits for reads of other processes.
	foldTimeout = 500 * time.Millisecond
	// readers is the number of reading connections. Four keep a small machine busy, and each
	// costs a page cache.
	readers       = 4
	writerCacheKB = 8 << 10
	readerCacheKB = 2 << 10
	// checkpointPages is the length of the log at which it is moved into the file. That
	// syncs the whole file. Once per 16 MiB of log costs little, and keeps the log small.
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

	lock    *flock.Flock // shared by all processes that have the file open
	serving *flock.Flock // nil unless this process serves

	closing sync.Once
	err     error // of Close
}

var _ store.Store = (*Store)(nil)

// Open opens the store in the file. It creates a missing file and its folder, readable by
// their owner only. Its errors say why it failed, and the caller says what failed.
func Open(ctx context.Context, path string) (*Store, error) {
	s, err := openStore(ctx, path)
	if err != nil {
		return nil, explain(err)
	}
	return s, nil
}

func openStore(ctx context.Context, path string) (*Store, error) {
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
	s.read, err = openReaders(path)
	if err != nil {
		return nil, errors.Join(err, s.w.close(), s.lock.Close())
	}
	if err = s.ready(ctx); err == nil {
		// A full disk does not prevent Open, because the store can still be read; Writable
		// reports the full disk later. (If even the 32 KiB that SQLite maps beside the file
		// did not fit, the lines above have failed.)
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

// openReaders opens the connections that read. It creates no file.
func openReaders(path string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", dsn(path, readerCacheKB, "query_only(1)")+"&mode=rw")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(readers)
	db.SetMaxIdleConns(readers)
	return db, nil
}

// ready looks for damage and prepares the queries.
func (s *Store) ready(ctx context.Context) (err error) {
	if err = check(ctx, s.read, s.path); err == nil {
		s.q, err = prepareQueries(ctx, s.read)
	}
	return err
}

// createFile creates the file unless it exists, and returns its absolute path.
func createFile(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	// Do not open an existing file: closing it would drop the locks that this process may
	// hold on it through another Store (a rule of POSIX).
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrExist) {
		if info, err := os.Stat(path); err == nil && info.IsDir() { // SQLite's own error would not say so
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
	return path, d.Sync() // makes the file's name durable
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

// Close waits for writes under way and closes the file. Unless another process has the
// store open, the one file is then complete without the log.
func (s *Store) Close() error {
	s.closing.Do(func() {
		// Close the readers first, because an open read keeps the writer from moving the log
		// into the file. Release the locks last, because the file is in use until then.
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
