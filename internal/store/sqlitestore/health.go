package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/headgate/headgate/internal/store"
)

// Errors of Open and Writable that an operator has to act on.
var (
	ErrReadOnly = errors.New("nothing can be written there")
	ErrDamaged  = errors.New("the file is damaged")
	ErrFull     = errors.New("the disk is full")
	ErrForeign  = errors.New("this file holds something other than a Headgate store")
)

const (
	// freshWrite is the time for which a successful write counts. retryWrite is the time
	// between tries after a failure. A try costs one fsync.
	freshWrite = 10 * time.Second
	retryWrite = time.Second
	// probeBytes is the size of a test write: that of a few events, because one page may
	// still fit on a disk that has no room for them.
	probeBytes = 64 << 10
	// quickCheckBytes is the size up to which Open checks the whole file for damage. That
	// would take seconds for a larger file, so Open reads only the ends of its tables.
	// Damage elsewhere is found when the page is read.
	quickCheckBytes = 64 << 20
)

// probeCollection holds the document of the test write.
var probeCollection = store.Collection{Kind: "probe"}

// health remembers whether the file takes writes, and whether it is damaged.
type health struct {
	store.Writes
	damage atomic.Pointer[error] // the first damage found; it stays until the process ends
}

func newHealth() *health {
	return &health{Writes: store.Writes{Fresh: freshWrite, Retry: retryWrite}}
}

// saw returns err with its cause in words. It remembers an error that shows damage.
func (h *health) saw(err error) error {
	err = explain(err)
	if errors.Is(err, ErrDamaged) {
		h.damage.CompareAndSwap(nil, &err)
	}
	return err
}

// explain adds the cause to an error that an operator can do something about.
func explain(err error) error {
	for _, known := range []error{ErrReadOnly, ErrDamaged, ErrFull} {
		if errors.Is(err, known) {
			return err
		}
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		if e.Code() == sqlite3.SQLITE_IOERR_SHMSIZE { // the -shm file beside the store does not fit
			return fmt.Errorf("%w: %w", ErrFull, err)
		}
		switch e.Code() & 0xff {
		case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM:
			return fmt.Errorf("%w: %w", ErrReadOnly, err)
		case sqlite3.SQLITE_FULL:
			return fmt.Errorf("%w: %w", ErrFull, err)
		}
	}
	switch {
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%w: %w", ErrReadOnly, err)
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}

// Writable implements [store.Store].
func (s *Store) Writable(ctx context.Context) error {
	if damage := s.health.damage.Load(); damage != nil {
		return *damage
	}
	if err := s.w.files.present(); err != nil { // even if the last write succeeded
		return err
	}
	return s.health.Writable(ctx, s.probe)
}

// probe writes a document of probeBytes, in place of the previous one.
func (s *Store) probe(ctx context.Context) error {
	_, err := s.Commit(ctx, []store.Write{{
		Collection: probeCollection, Any: true, Doc: store.Doc{ID: "probe", Body: make([]byte, probeBytes)},
	}})
	return err
}

// ends are queries for the first and the last row of each table.
var ends = []string{
	`SELECT * FROM event ORDER BY seq LIMIT 1`, `SELECT * FROM event ORDER BY seq DESC LIMIT 1`,
	`SELECT * FROM claim ORDER BY seq LIMIT 1`, `SELECT * FROM claim ORDER BY seq DESC LIMIT 1`,
	`SELECT * FROM doc ORDER BY seq LIMIT 1`, `SELECT * FROM doc ORDER BY seq DESC LIMIT 1`,
	`SELECT * FROM pending ORDER BY endpoint, received_at, id LIMIT 1`,
	`SELECT * FROM pending ORDER BY endpoint DESC, received_at DESC, id DESC LIMIT 1`,
}

// check looks for damage, as far as that takes little time.
func check(ctx context.Context, db *sql.DB, path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Size() <= quickCheckBytes {
		return runCheck(ctx, db, "PRAGMA quick_check(1)")
	}
	for _, query := range ends {
		rows, err := db.QueryContext(ctx, query)
		if err != nil {
			return err
		}
		for rows.Next() { // Next reads the pages of the row, and fails if they are damaged
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return err
		}
	}
	return nil
}

// runCheck runs a check of SQLite, which answers "ok" or names the damage.
func runCheck(ctx context.Context, db *sql.DB, pragma string) error {
	var found string
	if err := db.QueryRowContext(ctx, pragma).Scan(&found); err != nil {
		return err
	}
	if found != "ok" {
		return fmt.Errorf("%w: %s", ErrDamaged, found)
	}
	return nil
}
