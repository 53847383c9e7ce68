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

// Backup copies the store in the file path to the new file to. Other processes may read and
// write meanwhile. The copy contains everything that was stored before the call. It is one
// file, readable by its owner only, and checked for damage. It gets its name only when it is
// complete. Backup does not overwrite an existing file. Its errors say why the copy failed,
// and the caller says what failed. watch may be nil.
func Backup(ctx context.Context, path, to string, watch Watch) error {
	return explain(makeBackup(ctx, path, to, watch))
}

func makeBackup(ctx context.Context, path, to string, watch Watch) error {
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
	if err := copyStore(ctx, path, partial, watch); err != nil {
		return err
	}
	watch.checks()
	if err := verify(ctx, partial); err != nil {
		return fmt.Errorf("check the copy: %w", err)
	}
	if err := durably(partial); err != nil {
		return err
	}
	// Unlike a rename, a link fails if the file was created meanwhile.
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

// reserveAndRename creates an empty file at to, and then renames from over it. Creating it
// fails if the file exists, so nothing is overwritten.
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

var errExists = errors.New("the file exists already, and a backup overwrites no file")

// copyStore writes a snapshot of the store into the empty file. It uses VACUUM INTO, because
// SQLite's backup, which copies page by page, starts again whenever another process commits.
func copyStore(ctx context.Context, path, to string, watch Watch) (err error) {
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
	if err := requireStore(ctx, conn); err != nil {
		return err
	}
	if watch != nil {
		var size int64 // of what is in use
		if err := conn.QueryRowContext(ctx, `SELECT (page_count - freelist_count) * page_size
			FROM pragma_page_count, pragma_freelist_count, pragma_page_size`).Scan(&size); err != nil {
			return err
		}
		defer watch.grows(to, size)()
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

// requireStore returns an error unless the file is a store of a known version.
func requireStore(ctx context.Context, conn *sql.Conn) error {
	version, err := versionOf(ctx, conn)
	if err == nil && version == 0 {
		err = errors.New("the file holds no Headgate store")
	}
	return err
}

// verify reads the whole file, and returns an error unless it is an undamaged store. It
// leaves the file complete without a log.
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
	err = requireStore(ctx, conn)
	if err = errors.Join(err, conn.Close()); err != nil {
		return err
	}
	if err := runCheck(ctx, db, "PRAGMA integrity_check(1)"); err != nil {
		return err
	}
	return withoutLog(ctx, db)
}

// withoutLog moves the log into the file, and makes SQLite delete the log.
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

// copyFile copies a file. It creates or truncates the target.
func copyFile(from, to string) error { return copyWatched(from, to, nil) }

func copyWatched(from, to string, watch Watch) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	var bytes io.Reader = in
	if watch != nil {
		info, err := in.Stat()
		if err != nil {
			return errors.Join(err, out.Close())
		}
		bytes = &watchedFile{in, watch, 0, info.Size()}
	}
	_, err = io.Copy(out, bytes)
	return errors.Join(err, out.Sync(), out.Close())
}

// temporary creates an empty file that only its owner can read. The pattern includes a
// folder.
func temporary(pattern string) (string, error) {
	f, err := os.CreateTemp(filepath.Dir(pattern), filepath.Base(pattern))
	if err != nil {
		return "", err
	}
	return f.Name(), f.Close()
}

// remove deletes a temporary file and the files that SQLite may have left beside it. It
// ignores errors, because such files do no harm.
func remove(temporary string) {
	removeLogs(temporary)
	_ = os.Remove(temporary)
}

func removeLogs(path string) {
	for _, suffix := range []string{"-wal", "-shm", "-journal"} {
		_ = os.Remove(path + suffix)
	}
}

// durably syncs a file, or a folder and with it the names in it.
func durably(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
