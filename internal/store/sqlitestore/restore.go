package sqlitestore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Restore checks the backup, and then puts it in place of the store in the file path. It
// keeps the former store, and returns that file's name, which ends with the time now ("" if
// there was no store). No other process may have the store open. If Restore is killed, path
// holds either the former store or the restored one, whole. Its errors say why it failed, and
// the caller says what failed. watch may be nil.
func Restore(ctx context.Context, path, from string, now time.Time, watch Watch) (kept string, err error) {
	path, err = filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", explain(err)
	}
	lock, err := alone(path)
	if err != nil {
		return "", explain(err)
	}
	defer lock.Close()
	left, err := beside(path, ".restoring-") // files of a restore that was killed
	if err != nil {
		return "", explain(err)
	}
	for _, name := range left {
		remove(name)
	}
	fresh, err := temporary(path + ".restoring-*")
	if err != nil {
		return "", explain(err)
	}
	defer remove(fresh)
	if err := copyBackup(path, from, fresh, watch); err != nil {
		return "", explain(err)
	}
	watch.checks()
	if err := verify(ctx, fresh); err != nil {
		return "", fmt.Errorf("the backup cannot be used, and nothing was changed: %w", explain(err))
	}
	if err := durably(fresh); err != nil {
		return "", explain(err)
	}
	if err := adopt(fresh, path); err != nil {
		return "", err
	}
	if kept, err = keepFormer(ctx, path, now); err != nil {
		return "", fmt.Errorf("keep the former store: %w", explain(err))
	}
	// Delete the former store's log, durably, before the new file gets its name. Otherwise
	// SQLite would replay the old log into the new file, for instance after a power failure.
	removeLogs(path)
	if err := durably(filepath.Dir(path)); err != nil {
		return kept, explain(err)
	}
	if err := os.Rename(fresh, path); err != nil {
		return kept, explain(err)
	}
	return kept, durably(filepath.Dir(path))
}

// copyBackup copies the bytes of the backup. It does not open the backup with SQLite,
// because that may need to write beside it, and the disk may be read-only.
func copyBackup(path, from, to string, watch Watch) error {
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errors.New("the backup is not a regular file")
	}
	if own, err := os.Stat(path); err == nil && os.SameFile(own, info) {
		return errors.New("the backup is the store itself")
	}
	if log, err := os.Stat(from + "-wal"); err == nil && log.Size() > 0 {
		return fmt.Errorf("the file is not complete without %s beside it: use a file that `headgate backup` made", filepath.Base(from)+"-wal")
	}
	return copyWatched(from, to, watch)
}

// beside returns the files beside path whose names begin with path's name and infix. It does
// not use filepath.Glob, because a directory's name may contain pattern characters.
func beside(path, infix string) (paths []string, err error) {
	entries, err := os.ReadDir(filepath.Dir(path))
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), filepath.Base(path)+infix) {
			paths = append(paths, filepath.Join(filepath.Dir(path), e.Name()))
		}
	}
	return paths, err
}

// keepFormer gives the former store a second name, which ends with the time. The store also
// keeps its own name until the new file replaces it.
func keepFormer(ctx context.Context, path string, now time.Time) (kept string, err error) {
	own, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	earlier, err := beside(path, keptInfix)
	if err != nil {
		return "", err
	}
	for _, name := range earlier { // second names that killed restores gave to this store
		if info, err := os.Stat(name); err == nil && os.SameFile(own, info) {
			_ = os.Remove(name)
		}
	}
	for _, name := range earlier {
		if base, isLog := strings.CutSuffix(name, "-wal"); isLog && absent(base) {
			_ = os.Remove(name)
		}
	}
	kept = path + keptInfix + now.UTC().Format("20060102T150405.000Z")
	if !absent(kept) { // another restore had the same time: the clock was set back
		return "", fmt.Errorf("%s exists already, and is kept: try again", kept)
	}
	if err := keepLog(ctx, path, kept+"-wal"); err != nil {
		return "", errors.Join(err, removed(kept+"-wal"))
	}
	if err := os.Link(path, kept); err != nil { // FAT, for one, has no links
		if err := errors.Join(copyFile(path, kept), adopt(kept, path)); err != nil {
			return "", errors.Join(err, removed(kept), removed(kept+"-wal"))
		}
	}
	return kept, durably(filepath.Dir(path))
}

// keepLog moves the former store's log into its file. If the file is damaged, it keeps a
// copy of the log instead, because SQLite deletes a log that it cannot apply.
func keepLog(ctx context.Context, path, log string) error {
	switch err := copyFile(path+"-wal", log); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	default:
		if err := adopt(log, path); err != nil {
			return err
		}
	}
	switch err := explain(foldLog(ctx, path)); {
	case err == nil:
		return removed(log)
	case isBusy(err): // a program that does not take our lock has the file open
		return ErrInUse
	case ctx.Err() != nil, errors.Is(err, ErrFull), errors.Is(err, ErrReadOnly): // the store may be undamaged
		return err
	}
	return nil
}

func absent(path string) bool {
	_, err := os.Lstat(path)
	return errors.Is(err, fs.ErrNotExist)
}

// removed deletes the file if it exists.
func removed(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// keptInfix is in the name of a former store, between the store's name and the time.
const keptInfix = ".before-restore-"

func foldLog(ctx context.Context, path string) error {
	db, err := openExisting(path)
	if err != nil {
		return err
	}
	return errors.Join(withoutLog(ctx, db), db.Close())
}
