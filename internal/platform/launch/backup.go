package launch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/headgate/headgate/internal/store/sqlitestore"
)

// Backup copies the embedded store to the new file, also while a server has it open.
func Backup(ctx context.Context, s Settings, to string) error {
	if err := sqlitestore.Backup(ctx, s.storeFile(), to); err != nil {
		return fmt.Errorf("the store was not backed up: %w", err)
	}
	return nil
}

// Restore replaces the embedded store, which nobody may have open, by a backup. It
// returns where the former one is kept; "" if there was none.
func Restore(ctx context.Context, s Settings, from string) (kept string, err error) {
	kept, err = sqlitestore.Restore(ctx, s.storeFile(), from, time.Now())
	if errors.Is(err, sqlitestore.ErrInUse) {
		return kept, fmt.Errorf("the store was not restored: %w\nstop it first", err)
	}
	if err != nil {
		return kept, fmt.Errorf("the store was not restored: %w", err)
	}
	return kept, nil
}
