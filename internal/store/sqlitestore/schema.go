package sqlitestore

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

const (
	schemaVersion = 5
	applicationID = 0x48474154 // "HGAT", so that a foreign file is recognised
)

// IsStore reports whether a file that begins with these bytes (100 are enough) is a store
// of this package.
func IsStore(head []byte) bool {
	const magic, at = "SQLite format 3\x00", 68 // https://sqlite.org/fileformat.html#the_database_header
	return len(head) >= at+4 && string(head[:len(magic)]) == magic && binary.BigEndian.Uint32(head[at:]) == applicationID
}

// schema is version 1. Times are microseconds since 1970. Names are blobs, so that any bytes
// are allowed and compared one by one. Ids of events are 16 bytes.
//
// Events have a rowid, so they are appended in order of arrival and not of their ids. Only
// the small entries of event_id are scattered. The key of a pointer is the order in which
// pointers are read. The index for expiry grows at its end, which is cheap.
const schema = `
CREATE TABLE service (
	num  INTEGER PRIMARY KEY,
	name BLOB NOT NULL UNIQUE
) STRICT;

CREATE TABLE endpoint (
	num     INTEGER PRIMARY KEY,
	service INTEGER NOT NULL,
	key     BLOB NOT NULL,
	UNIQUE (service, key)
) STRICT;

CREATE TABLE event (
	seq         INTEGER PRIMARY KEY,
	service     INTEGER NOT NULL,
	id          BLOB NOT NULL,
	endpoint    INTEGER NOT NULL,
	received_at INTEGER NOT NULL,
	expire_at   INTEGER, -- NULL: never
	attempt     BLOB,
	meta        BLOB NOT NULL,
	content     BLOB     -- NULL: empty
) STRICT;
CREATE UNIQUE INDEX event_id ON event (service, id);
CREATE INDEX event_expire_at ON event (expire_at);

CREATE TABLE pending (
	endpoint    INTEGER NOT NULL,
	received_at INTEGER NOT NULL,
	id          BLOB NOT NULL,
	size        INTEGER NOT NULL,
	PRIMARY KEY (endpoint, received_at, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE claim (
	seq          INTEGER PRIMARY KEY,
	service      INTEGER NOT NULL,
	id           TEXT NOT NULL,
	event_id     TEXT NOT NULL,
	trigger_type TEXT NOT NULL,
	date         INTEGER NOT NULL,
	owner        TEXT NOT NULL,
	events       INTEGER NOT NULL,
	published    INTEGER NOT NULL, -- 0 or 1
	size         INTEGER NOT NULL,
	attempts     INTEGER NOT NULL,
	next_attempt INTEGER NOT NULL,
	published_at INTEGER NOT NULL,
	last_error   TEXT NOT NULL,
	expire_at    INTEGER,          -- NULL: never
	lists        BLOB NOT NULL     -- last, because it is large and seldom read
) STRICT;
CREATE UNIQUE INDEX claim_id ON claim (service, id);
CREATE INDEX claim_event_id ON claim (service, event_id);
CREATE INDEX claim_date ON claim (service, date, id);
CREATE INDEX claim_state ON claim (service, published, date, id);
CREATE INDEX claim_due ON claim (service, next_attempt) WHERE published = 0;
CREATE INDEX claim_expire_at ON claim (expire_at) WHERE published = 1;
`

// docSchema is added in version 2. Documents have a rowid for the same reason as events: the
// bodies are appended, and only the small entries of doc_id are scattered.
const docSchema = `
CREATE TABLE collection (
	num   INTEGER PRIMARY KEY,
	kind  TEXT NOT NULL,
	scope BLOB NOT NULL,
	UNIQUE (kind, scope)
) STRICT;

CREATE TABLE doc (
	seq        INTEGER PRIMARY KEY,
	collection INTEGER NOT NULL,
	id         BLOB NOT NULL,
	rev        INTEGER NOT NULL,
	ord        INTEGER NOT NULL, -- 0: not in the collection's order
	expire_at  INTEGER,          -- NULL: never
	body       BLOB              -- NULL: empty
) STRICT;
CREATE UNIQUE INDEX doc_id ON doc (collection, id);
CREATE INDEX doc_order ON doc (collection, ord, id) WHERE ord > 0;
CREATE INDEX doc_expire_at ON doc (expire_at) WHERE expire_at IS NOT NULL;

CREATE TABLE revision (last INTEGER NOT NULL) STRICT;
INSERT INTO revision VALUES (0);
`

// windowSchema is added in version 3: the sets that are kept by correlation key. Their
// pointers lie together by key, and an index has those of all keys in the order of their
// times. A claim from such a set says which window it took; published = 2 means that the
// window was dropped, and 3 that a target was given up. The index of receipts lists events
// for GET /events; it grows at its end.
const windowSchema = `
CREATE TABLE waiting (
	endpoint    INTEGER NOT NULL,
	key         BLOB NOT NULL,
	at          INTEGER NOT NULL,
	id          BLOB NOT NULL,
	received_at INTEGER NOT NULL,
	size        INTEGER NOT NULL,
	first       INTEGER NOT NULL,
	slot        BLOB,             -- NULL: none
	PRIMARY KEY (endpoint, key, at, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX waiting_at ON waiting (endpoint, at, id);
CREATE UNIQUE INDEX waiting_slot ON waiting (endpoint, key, slot) WHERE slot IS NOT NULL;

ALTER TABLE claim ADD COLUMN key BLOB;     -- the correlation key; NULL: none
ALTER TABLE claim ADD COLUMN window BLOB;  -- JSON; NULL: none
ALTER TABLE claim ADD COLUMN targets BLOB; -- JSON; NULL: none
DROP INDEX claim_expire_at;
CREATE INDEX claim_expire_at ON claim (expire_at) WHERE published > 0;
CREATE INDEX claim_key ON claim (service, key, date, id) WHERE key IS NOT NULL;

ALTER TABLE claim ADD COLUMN completion TEXT; -- of the window; NULL: none
CREATE INDEX claim_completion ON claim (service, completion, date, id) WHERE completion IS NOT NULL;

CREATE INDEX event_received_at ON event (service, received_at, id);
`

// partSchema is added in version 4: claims in parts. published = 4 means that such a claim
// does not have all its members yet.
const partSchema = `
ALTER TABLE claim ADD COLUMN parts INTEGER NOT NULL DEFAULT 0;
ALTER TABLE claim ADD COLUMN gather BLOB; -- NULL: none
CREATE INDEX claim_gathering ON claim (service, next_attempt) WHERE published = 4;

CREATE TABLE part (
	service INTEGER NOT NULL,
	claim   TEXT NOT NULL,
	num     INTEGER NOT NULL,
	owner   TEXT NOT NULL,
	lists   BLOB NOT NULL,
	PRIMARY KEY (service, claim, num)
) STRICT;
CREATE TRIGGER claim_parts AFTER DELETE ON claim WHEN old.parts > 0 BEGIN
	DELETE FROM part WHERE service = old.service AND claim = old.id;
END;
`

// changeSchema is added in version 5. The index lists the documents in the order of their last
// writes, for processes that learn from the file what others wrote. It grows at its end.
const changeSchema = `
CREATE INDEX doc_rev ON doc (rev);
`

// migrations[i] changes a file of version i to version i+1.
var migrations = [schemaVersion]string{schema, docSchema, windowSchema, partSchema, changeSchema}

// migrate changes the file to schemaVersion, in one transaction. Several processes that
// start at once may all call it.
func migrate(ctx context.Context, conn *sql.Conn) error {
	// The change from a new file's rollback journal to WAL needs exclusive access, and SQLite
	// does not wait for it on its own.
	if err := patiently(ctx, busyTimeout, func() error {
		var mode string
		if err := conn.QueryRowContext(ctx, "PRAGMA journal_mode = WAL").Scan(&mode); err != nil {
			return err
		}
		if mode != "wal" {
			return fmt.Errorf("journal mode is %q, want wal", mode)
		}
		return nil
	}); err != nil {
		return err
	}
	if version, err := versionOf(ctx, conn); version == schemaVersion || err != nil {
		return err
	}
	if err := patiently(ctx, busyTimeout, func() error { _, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE"); return err }); err != nil {
		return err
	}
	err := func() error {
		version, err := versionOf(ctx, conn) // again: another process may have migrated meanwhile
		if err != nil {
			return err
		}
		_, err = conn.ExecContext(ctx, strings.Join(migrations[version:], "")+
			fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d;", applicationID, schemaVersion))
		return err
	}()
	if err == nil {
		_, err = conn.ExecContext(ctx, "COMMIT")
	}
	if err != nil {
		_, _ = conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK") // err is the cause
	}
	return err
}

// versionOf returns the version of the file's schema, and 0 for a new file. It returns an
// error for a file of another program, or of a newer version.
func versionOf(ctx context.Context, conn *sql.Conn) (version int, err error) {
	var app, tables int
	err = conn.QueryRowContext(ctx, `SELECT (SELECT user_version FROM pragma_user_version),
		(SELECT application_id FROM pragma_application_id), (SELECT count(*) FROM sqlite_schema)`).Scan(&version, &app, &tables)
	switch {
	case err != nil:
		return 0, err
	case app != applicationID && (app != 0 || version != 0 || tables != 0):
		return 0, ErrForeign
	case version > schemaVersion:
		return 0, fmt.Errorf("the file has schema version %d, and this program knows versions up to %d: use a newer Headgate", version, schemaVersion)
	}
	return version, nil
}

// patiently repeats f while another process holds the file, for at most patience.
func patiently(ctx context.Context, patience time.Duration, f func() error) error {
	deadline := time.Now().Add(patience)
	for pause := time.Millisecond; ; pause = min(2*pause, 20*time.Millisecond) {
		err := f()
		if !isBusy(err) || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

func isBusy(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && e.Code()&0xff == sqlite3.SQLITE_BUSY
}
