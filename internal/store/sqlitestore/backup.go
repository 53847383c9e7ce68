package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Backup copies the store in the file path to the new file to, while other
// processes may go on reading and writing: whatever was stored before Backup was
// called is in the copy. The copy is one file, readable by its owner only, and
// checked; it appears under its name when it is complete. An existing file is not
// overwritten.
func Backup(ctx context.Context, path, to string) error {
	err := backup(ctx, path, to)
	if err != nil {
		return fmt.Errorf("sqlitestore: back %s up to %s: %w", path, to, explain(err))
	}
	return nil
}

func backup(ctx context.Context, path, to string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("there is no store: %w", err)
	}
	if _, err := os.Lstat(to); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(errExists, err)
	}
	lock, err := share(path)
	if err != nil {
		return err
	}
	defer lock.Close()
	partial, err := temporary(to + ".partial-*")
	if err != nil {
		return err
	}
	defer remove(partial)
	if err := copyStore(ctx, path, partial); err != nil {
		return err
	}
	if err := verify(ctx, partial); err != nil {
		return fmt.Errorf("check the copy: %w", err)
	}
	if err := durably(partial); err != nil {
		return err
	}
	// Unlike a rename, a link fails if somebody made the file meanwhile.
	switch err := os.Link(partial, to); {
	case errors.Is(err, fs.ErrExist):
		return errExists
	case err != nil: // FAT, for one, has no links
		if err := reserveAndRename(partial, to); err != nil {
			return err
		}
	}
	return durably(filepath.Dir(to))
}

// reserveAndRename puts the file in the place of an empty one that it makes there first.
func reserveAndRename(from, to string) error {
	reserved, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return errExists
	}
	if err != nil {
		return err
	}
	if err := errors.Join(reserved.Close(), os.Rename(from, to)); err != nil {
		return errors.Join(err, os.Remove(to))
	}
	return nil
}

var errExists = errors.New("the file exists, and a backup overwrites none")

// copyStore writes what one moment's reader of the store sees into the empty file.
// A copy page by page would begin again whenever another process commits.
func copyStore(ctx context.Context, path, to string) (err error) {
	db, err := openExisting(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := isStore(ctx, conn); err != nil {
		return err
	}
	_, err = conn.ExecContext(ctx, "VACUUM INTO ?", to)
	return err
}

func openExisting(path string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", dsn(path, readerCacheKB)+"&mode=rw")
	if err == nil {
		db.SetMaxOpenConns(1)
	}
	return db, err
}

// isStore returns an error if the file is not a store of a version that is known.
func isStore(ctx context.Context, conn *sql.Conn) error {
	version, err := versionOf(ctx, conn)
	if err == nil && version == 0 {
		err = errors.New("there is no Headgate store in it")
	}
	return err
}

// verify reads the whole file: is it an undamaged store? It leaves the file
// complete without a log.
func verify(ctx context.Context, path string) (err error) {
	db, err := openExisting(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	err = isStore(ctx, conn)
	if err = errors.Join(err, conn.Close()); err != nil {
		return err
	}
	if err := verdict(ctx, db, "PRAGMA integrity_check(1)"); err != nil {
		return err
	}
	return withoutLog(ctx, db)
}

// withoutLog folds the log into the file and has SQLite delete it.
func withoutLog(ctx context.Context, db *sql.DB) error {
	var mode string
	if err := db.QueryRowContext(ctx, "PRAGMA journal_mode = DELETE").Scan(&mode); err != nil {
		return err
	}
	if mode != "delete" {
		return fmt.Errorf("the journal mode is %q, want delete", mode)
	}
	return nil
}

// copyFile copies to a file that need not exist.
func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Sync(), out.Close())
}

// temporary makes an empty file that only its owner can read. The pattern has a
// folder.
func temporary(pattern string) (string, error) {
	f, err := os.CreateTemp(filepath.Dir(pattern), filepath.Base(pattern))
	if err != nil {
		return "", err
	}
	return f.Name(), f.Close()
}

// remove deletes a temporary file and what SQLite may have left beside it. What cannot
// be deleted does no harm.
func remove(temporary string) {
	removeLogs(temporary)
	_ = os.Remove(temporary)
}

func removeLogs(path string) {
	for _, suffix := range []string{"-wal", "-shm", "-journal"} {
		_ = os.Remove(path + suffix)
	}
}

// durably syncs a file, or a folder and so the names in it.
func durably(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
