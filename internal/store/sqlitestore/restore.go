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

// Restore puts the backup in place of the store in the file path, after it has checked
// the backup, and returns where the former store is kept ("" if there was none): its
// name ends with the time now. No other process may have the store open. Killed at any
// moment, Restore leaves either the former store or the restored one there.
func Restore(ctx context.Context, path, from string, now time.Time) (kept string, err error) {
	if kept, err = restore(ctx, path, from, now); err != nil {
		return kept, fmt.Errorf("sqlitestore: restore %s from %s: %w", path, from, err)
	}
	return kept, nil
}

func restore(ctx context.Context, path, from string, now time.Time) (kept string, err error) {
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
	left, err := beside(path, ".restoring-") // by a restore that was killed
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
	if err := copyBackup(path, from, fresh); err != nil {
		return "", explain(err)
	}
	if err := verify(ctx, fresh); err != nil {
		return "", fmt.Errorf("the backup cannot be used, and nothing was changed: %w", explain(err))
	}
	if err := durably(fresh); err != nil {
		return "", explain(err)
	}
	if err := adopt(fresh, path); err != nil {
		return "", err
	}
	if kept, err = keep(ctx, path, now); err != nil {
		return "", fmt.Errorf("keep the former store: %w", explain(err))
	}
	// The former store's log must go before the new file comes, also after a power
	// failure: SQLite would replay it.
	removeLogs(path)
	if err := durably(filepath.Dir(path)); err != nil {
		return kept, explain(err)
	}
	if err := os.Rename(fresh, path); err != nil {
		return kept, explain(err)
	}
	return kept, durably(filepath.Dir(path))
}

// copyBackup copies the bytes of the backup, which may be on a disk that nobody writes.
func copyBackup(path, from, to string) error {
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errors.New("the backup is not a file")
	}
	if own, err := os.Stat(path); err == nil && os.SameFile(own, info) {
		return errors.New("the backup is the store itself")
	}
	if log, err := os.Stat(from + "-wal"); err == nil && log.Size() > 0 {
		return fmt.Errorf("beside the backup lies %s: the file alone is not complete. Take one that `headgate backup` made", filepath.Base(from)+"-wal")
	}
	return copyFile(from, to)
}

// beside returns the files beside path whose names go on after path's with infix. It uses
// no pattern, because a directory may have any name.
func beside(path, infix string) (paths []string, err error) {
	entries, err := os.ReadDir(filepath.Dir(path))
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), filepath.Base(path)+infix) {
			paths = append(paths, filepath.Join(filepath.Dir(path), e.Name()))
		}
	}
	return paths, err
}

// keep gives the former store, which stays in its place, a second name, after the time.
func keep(ctx context.Context, path string, now time.Time) (kept string, err error) {
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
	for _, name := range earlier { // by restores that were killed
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
	if !absent(kept) { // of another restore: the clock was set back
		return "", fmt.Errorf("%s exists, and is not replaced: try again", kept)
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

// keepLog folds the former store's log into its file. If the file is damaged, it
// copies the log instead: SQLite drops one that it cannot read.
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
	case isBusy(err): // something that knows nothing of our lock has it open
		return ErrInUse
	case ctx.Err() != nil, errors.Is(err, ErrFull), errors.Is(err, ErrReadOnly): // the store itself may be whole
		return err
	}
	return nil
}

func absent(path string) bool {
	_, err := os.Lstat(path)
	return errors.Is(err, fs.ErrNotExist)
}

// removed deletes a file that need not exist.
func removed(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

const keptInfix = ".before-restore-"

func foldLog(ctx context.Context, path string) error {
	db, err := openExisting(path)
	if err != nil {
		return err
	}
	return errors.Join(withoutLog(ctx, db), db.Close())
}
