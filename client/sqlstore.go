package client

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"time"
)

// Dialect is the SQL of a database.
type Dialect int

// The dialects.
const (
	SQLite Dialect = iota
	PostgreSQL
	MySQL // and MariaDB
)

// statements has the SQL of a store in one dialect.
type statements struct{ create, insert, forget string }

var dialects = map[Dialect]statements{
	SQLite: {
		"CREATE TABLE IF NOT EXISTS headgate_handled (consumer TEXT NOT NULL, event_id TEXT NOT NULL, handled_at BIGINT NOT NULL, PRIMARY KEY (consumer, event_id)) WITHOUT ROWID",
		"INSERT INTO headgate_handled (consumer, event_id, handled_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
		"DELETE FROM headgate_handled WHERE consumer = ? AND handled_at < ?",
	},
	PostgreSQL: {
		"CREATE TABLE IF NOT EXISTS headgate_handled (consumer text NOT NULL, event_id text NOT NULL, handled_at bigint NOT NULL, PRIMARY KEY (consumer, event_id))",
		"INSERT INTO headgate_handled (consumer, event_id, handled_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
		"DELETE FROM headgate_handled WHERE consumer = $1 AND handled_at < $2",
	},
	MySQL: { // bytes, because most collations take different names for equal
		"CREATE TABLE IF NOT EXISTS headgate_handled (consumer VARBINARY(255) NOT NULL, event_id VARBINARY(255) NOT NULL, handled_at BIGINT NOT NULL, PRIMARY KEY (consumer, event_id)) ENGINE=InnoDB",
		"INSERT IGNORE INTO headgate_handled (consumer, event_id, handled_at) VALUES (?, ?, ?)",
		"DELETE FROM headgate_handled WHERE consumer = ? AND handled_at < ?",
	},
}

// SQLStore is a [Store] in a table of your database, headgate_handled.
type SQLStore struct {
	db       *sql.DB
	sql      statements
	consumer string
}

// NewSQLStore returns a store in the database. The consumer names the job, in at most 255
// bytes: two jobs with different names each handle every message. Instances of one job have
// one name.
func NewSQLStore(db *sql.DB, dialect Dialect, consumer string) *SQLStore {
	return &SQLStore{db, dialects[dialect], consumer}
}

// CreateTable creates the table if it is missing.
func (s *SQLStore) CreateTable(ctx context.Context) error {
	return persist(ctx, func() error { // two instances that start at once can fail each other in PostgreSQL
		_, err := s.db.ExecContext(ctx, s.sql.create)
		return err
	})
}

// Once implements [Store]. The transaction has the isolation of the database's default. The
// eventID is inserted before work is called: another delivery of the message waits there
// until this transaction ends. work must neither commit nor roll back.
func (s *SQLStore) Once(ctx context.Context, eventID string, work func(context.Context, *sql.Tx) error) error {
	tx, first, err := s.begin(ctx, eventID)
	if err != nil {
		return fmt.Errorf("headgate: the message's eventID could not be recorded: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // after a commit it does nothing, and otherwise nothing is committed anyway
	if !first {
		return nil
	}
	if err := work(ctx, tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("headgate: the work could not be committed: %w", err)
	}
	return nil
}

// begin begins a transaction, and reports whether it is the one that handles eventID. It is
// the transaction's first statement: a lock of SQLite can then be waited for.
func (s *SQLStore) begin(ctx context.Context, eventID string) (tx *sql.Tx, first bool, err error) {
	err = persist(ctx, func() error {
		tx, err = s.db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		result, err := tx.ExecContext(ctx, s.sql.insert, s.consumer, eventID, time.Now().UnixMilli())
		var n int64
		if err == nil {
			n, err = result.RowsAffected()
		}
		if err != nil {
			_ = tx.Rollback()
			return err
		}
		first = n == 1
		return nil
	})
	return tx, first, err
}

// Forget deletes the eventIDs of messages that this job handled before a time, and returns
// their number. A message that is delivered or replayed after that is handled again, so keep
// them for longer than the subscription and Headgate (retentionDays) keep messages.
func (s *SQLStore) Forget(ctx context.Context, before time.Time) (int64, error) {
	result, err := s.db.ExecContext(ctx, s.sql.forget, s.consumer, before.UnixMilli())
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// persist tries what several processes may do at the same time a few times: a database can
// refuse one of them, because of a deadlock or a lock.
func persist(ctx context.Context, do func() error) (err error) {
	for pause := 10 * time.Millisecond; ; pause *= 2 {
		if err = do(); err == nil || ctx.Err() != nil || pause > 500*time.Millisecond {
			return err
		}
		select {
		case <-time.After(rand.N(pause)):
		case <-ctx.Done():
			return err
		}
	}
}
