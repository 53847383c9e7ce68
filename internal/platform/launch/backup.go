package launch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/headgate/headgate/internal/store/sqlitestore"
)

// Watch is told how far a copy of the embedded store is: see [sqlitestore.Watch].
type Watch = sqlitestore.Watch

// Backup copies the embedded store to a new file. A server may have the store open. watch
// may be nil.
func Backup(ctx context.Context, s Settings, to string, watch Watch) error {
	if _, err := os.Stat(s.storeFile()); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the store was not backed up: there is no store in %s", s.Data)
	}
	if err := sqlitestore.Backup(ctx, s.storeFile(), to, watch); err != nil {
		return fmt.Errorf("the store in %s was not backed up to %s: %w", s.Data, to, err)
	}
	return nil
}

// Restore replaces the embedded store by a backup. No process may have the store open.
// It returns the path where the former store is kept; "" if there was none. watch may be nil.
func Restore(ctx context.Context, s Settings, from string, watch Watch) (kept string, err error) {
	if _, err := os.Stat(from); err != nil { // Restore would make the store's directory first
		return "", fmt.Errorf("the store was not restored: %w", err)
	}
	kept, err = sqlitestore.Restore(ctx, s.storeFile(), from, time.Now(), watch)
	if errors.Is(err, sqlitestore.ErrInUse) {
		return kept, fmt.Errorf("the store in %s was not restored: %w\nstop it first", s.Data, err)
	}
	if err != nil {
		return kept, fmt.Errorf("the store in %s was not restored from %s: %w", s.Data, from, err)
	}
	return kept, nil
}
