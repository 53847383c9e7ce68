package sqlsource

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/source"
	"github.com/headgate/headgate/internal/sync/source/sqlsource/sqliteguard"
)

// sqliteBatch is the number of rows that a query reads. They are read at once, because an
// open query keeps others from writing. The number is large, because without an index
// every query sorts the table.
const sqliteBatch = 20_000

// sqliteEngine is the engine for SQLite. In SQLite every value has a type of its own, which
// need not be the column's, and it is read with that type. A pull runs SQL of a definition
// and uses connections that cannot write; a push has connections of its own
// (docs/decisions/011).
type sqliteEngine struct {
	standard
	push *sql.DB
	path string // of the file
	name string // of the file, in messages
}

// sidecars lists the endings of the files that SQLite opens by itself beside a database.
var sidecars = []string{"-journal", "-wal", "-shm"}

func openSQLite(o options, env source.Env) (engine, error) {
	path := filepath.Clean(filepath.FromSlash(o.database))
	inside, err := env.OpenFile(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = inside.Close() }()
	for _, end := range sidecars {
		if _, err := env.Dir.Lstat(path + end); errors.Is(err, os.ErrNotExist) {
			continue
		}
		beside, err := env.OpenFile(path + end)
		if err != nil {
			return nil, err
		}
		if err := errors.Join(notStoreWithin(env, path+end, beside), beside.Close()); err != nil {
			return nil, err
		}
	}
	// SQLite opens files by their names and not through Dir, because it opens others beside
	// them. The name must lead to the same file that Dir opened, or a link could lead out
	// of the directory.
	full, err := filepath.Abs(filepath.Join(env.Dir.Name(), path))
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "url: %q cannot be opened", o.database)
	}
	in, errIn := inside.Stat()
	out, errOut := os.Stat(full)
	if errIn != nil || errOut != nil || !os.SameFile(in, out) {
		return nil, fault.New(fault.Invalid, "url: %q is not in the directory that syncs may use", o.database)
	}
	reads, err := sqliteguard.New(full, maxRow, false)
	if err != nil {
		return nil, err
	}
	writes, err := sqliteguard.New(full, maxRow, true)
	if err != nil {
		return nil, err
	}
	e := &sqliteEngine{standard: standard{db: sql.OpenDB(reads), value: sqliteValue}, push: sql.OpenDB(writes), path: full, name: path}
	e.db.SetMaxOpenConns(maxConnections)
	e.push.SetMaxOpenConns(maxConnections)
	return e, nil
}

func (e *sqliteEngine) release() error { return errors.Join(e.db.Close(), e.push.Close()) }

func (e *sqliteEngine) begin(ctx context.Context) (transaction, error) {
	info, err := os.Stat(e.path)
	if err == nil {
		err = source.Writable(e.name, info)
	}
	if err != nil {
		return nil, err
	}
	tx, err := e.push.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	return standardTx{tx: tx, standard: &e.standard}, nil
}

// single lets SQLite's parser decide. The parser reads a text up to its first semicolon,
// and no bracket is open there. So a query with more text after a semicolon is a syntax
// error once it stands in brackets, and nothing after the semicolon can run.
func (e *sqliteEngine) single(ctx context.Context, query string) error {
	columns, err := e.columns(ctx, query)
	if err == nil && len(columns) == 0 {
		err = errNoRows
	}
	return err
}

// columns returns the columns of a query without running it.
func (e *sqliteEngine) columns(ctx context.Context, query string) ([]sqlite.ColumnInfo, error) {
	c, err := e.db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close() }()
	return sqliteguard.Columns(ctx, c, query)
}

func (e *sqliteEngine) quote(id string) string { return `"` + strings.ReplaceAll(id, `"`, `""`) + `"` }

func (e *sqliteEngine) placeholder(int, column) string { return "?" }

func (e *sqliteEngine) rowValues() bool    { return true }
func (e *sqliteEngine) rawPositions() bool { return true }
func (e *sqliteEngine) buffered() int      { return sqliteBatch }

func (e *sqliteEngine) abortsOnError() bool { return false }

// same compares text that holds times as times, because the same time can be written in
// several ways.
func (e *sqliteEngine) same(c column, placeholder string) string {
	if c.kind.isTime() && !c.style.isNumber() {
		return fmt.Sprintf("julianday(%s) IS julianday(%s)", e.quote(c.name), placeholder)
	}
	return e.quote(c.name) + " IS " + placeholder
}

func (*sqliteEngine) locking() string { return "" }

func (e *sqliteEngine) ignoring(unique ...column) (string, bool) {
	return (*postgres)(nil).ignoring(unique...) // SQLite has the same syntax as PostgreSQL
}

func (e *sqliteEngine) describe(ctx context.Context, from string) ([]column, error) {
	types, err := e.columns(ctx, "SELECT * FROM "+from)
	if err != nil {
		return nil, err
	}
	columns := make([]column, len(types))
	for i, t := range types {
		declared := strings.ToUpper(t.DeclType)
		c := column{name: t.Name, typ: withDefault(strings.ToLower(declared), "of no declared type"), digits: -1, kind: sqliteKind(declared)}
		if c.kind.isTime() {
			if c.style, err = e.sample(ctx, from, c, len(types)); err != nil {
				return nil, err
			}
		}
		columns[i] = c
	}
	return columns, nil
}

// sqliteKind returns the kind that people mean by a declared type. JSON is text here,
// because only text is written back exactly as it was read.
func sqliteKind(declared string) columnKind {
	declared, _, _ = strings.Cut(declared, "(")
	switch strings.TrimSpace(declared) {
	case "DATETIME", "TIMESTAMP", "TIMESTAMPTZ", "TIMESTAMP WITH TIME ZONE":
		return kindLocal
	case "DATE":
		return kindDate
	case "BOOL", "BOOLEAN":
		return kindBool
	case "BLOB":
		return kindBytes
	case "":
		return kindOther
	}
	switch {
	case strings.Contains(declared, "INT"):
		return kindInteger
	case strings.Contains(declared, "REAL"), strings.Contains(declared, "FLOA"), strings.Contains(declared, "DOUB"):
		return kindFloat
	case strings.Contains(declared, "DEC"), strings.Contains(declared, "NUM"):
		return kindDecimal
	}
	return kindText
}

func sqliteValue(c column, v any) (any, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case int64:
		switch {
		case c.kind == kindBool && (v == 0 || v == 1):
			return v == 1, nil
		case (c.kind == kindLocal || c.kind == kindDate) && c.style.isNumber():
			return c.style.fromNumber(float64(v)), nil
		}
		return v, nil
	case float64:
		if (c.kind == kindLocal || c.kind == kindDate) && c.style.isNumber() {
			return c.style.fromNumber(v), nil
		}
		return fromFloat(v), nil
	case string:
		return sqliteText(c, v)
	case []byte:
		if c.kind == kindRaw {
			return map[string]any{"bytes": base64.StdEncoding.EncodeToString(v)}, nil
		}
		return fromBytes(v), nil
	}
	return nil, &badValue{column: c.name, reason: fmt.Sprintf("cannot be read as a %T", v)}
}

func sqliteText(c column, s string) (any, error) {
	switch c.kind {
	case kindRaw:
		if !utf8.ValidString(s) { // JSON would replace the bytes that are not UTF-8
			return map[string]any{"text": base64.StdEncoding.EncodeToString([]byte(s))}, nil
		}
		return s, nil
	case kindLocal:
		if t, ok := parseTime(s); ok {
			return t, nil
		}
	}
	return fromText(c.name, s)
}

func (e *sqliteEngine) bind(c column, v any) (any, error) {
	if v == nil {
		return nil, nil
	}
	switch c.kind {
	case kindRaw:
		return sqliteRaw(v)
	case kindBool:
		if b, err := toBool(v); err == nil {
			return b, nil // SQLite stores booleans as 0 or 1
		}
	case kindLocal, kindDate, kindInstant:
		if t, ok := timeOf(v); ok {
			return c.styled(t), nil
		}
	case kindBytes:
		return toBytes(v)
	case kindFloat:
		switch v {
		case "Infinity":
			return math.Inf(1), nil
		case "-Infinity":
			return math.Inf(-1), nil
		}
	}
	switch v := v.(type) {
	case json.Number:
		return sqliteNumber(v), nil
	case int64, float64, bool, string:
		return v, nil
	case time.Time:
		return c.styled(v), nil
	}
	return text(v)
}

func sqliteNumber(n json.Number) any {
	if i, err := n.Int64(); err == nil {
		return i
	}
	if f, err := n.Float64(); err == nil {
		return f
	}
	return n.String()
}

// sqliteRaw returns a value of a position as SQLite stored it.
func sqliteRaw(v any) (any, error) {
	switch v := v.(type) {
	case json.Number:
		return sqliteNumber(v), nil
	case map[string]any:
		for kind, encoded := range v {
			b, err := toBytes(encoded)
			if err != nil {
				return nil, err
			}
			if kind == "text" {
				return string(b), nil
			}
			return b, nil
		}
	}
	return v, nil
}

func (e *sqliteEngine) unique(ctx context.Context, t *table, columns []string) (bool, error) {
	r, err := e.push.QueryContext(ctx, `
		SELECT l.name, i.name FROM pragma_index_list(?1) l, pragma_index_info(l.name) i WHERE l."unique" AND NOT l.partial
		UNION ALL SELECT '', name FROM pragma_table_info(?1) WHERE pk > 0`, t.table)
	if err != nil {
		return false, err
	}
	defer func() { _ = r.Close() }()
	indexes := map[string][]string{}
	for r.Next() {
		var index string
		var column sql.NullString // NULL for an expression
		if err := r.Scan(&index, &column); err != nil {
			return false, err
		}
		indexes[index] = append(indexes[index], strings.ToLower(column.String))
	}
	return hasIndex(indexes, columns), r.Err()
}

func (e *sqliteEngine) clock(ctx context.Context) (time.Time, error) {
	var now string
	if err := e.db.QueryRowContext(ctx, "SELECT strftime('%Y-%m-%dT%H:%M:%fZ', 'now')").Scan(&now); err != nil {
		return time.Time{}, err
	}
	return time.Parse(time.RFC3339Nano, now)
}

// offsets implements engine. SQLite's clock is UTC.
func (e *sqliteEngine) offsets(_ context.Context, at []time.Time) ([]time.Duration, error) {
	return make([]time.Duration, len(at)), nil
}

func (e *sqliteEngine) classify(err error) class {
	if errors.Is(err, sqliteguard.ErrMemory) {
		return noRoom
	}
	if errors.Is(err, errTooManyExpressions) {
		return wrong
	}
	se, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return unknown
	}
	switch code := se.Code(); {
	case code&0xff == sqlite3.SQLITE_TOOBIG:
		return tooLong
	case code == sqlite3.SQLITE_CONSTRAINT_UNIQUE || code == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY || code == sqlite3.SQLITE_CONSTRAINT_ROWID:
		return duplicate
	case slices.Contains([]int{sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_RANGE}, code&0xff):
		return refusedRow
	case strings.Contains(se.Error(), "no such table"):
		return noTable
	case code&0xff == sqlite3.SQLITE_ERROR, code&0xff == sqlite3.SQLITE_NOTADB:
		return wrong
	case code&0xff == sqlite3.SQLITE_FULL, code&0xff == sqlite3.SQLITE_NOMEM:
		return noRoom
	case code&0xff == sqlite3.SQLITE_READONLY, code&0xff == sqlite3.SQLITE_PERM, code&0xff == sqlite3.SQLITE_AUTH:
		return denied
	}
	return unknown
}

func (e *sqliteEngine) explain(err error) string {
	se, ok := errors.AsType[*sqlite.Error](err)
	if errors.Is(err, errTooManyExpressions) {
		return errTooManyExpressions.Error()
	}
	if errors.Is(err, sqliteguard.ErrMemory) || ok && se.Code()&0xff == sqlite3.SQLITE_NOMEM {
		return fmt.Sprintf("SQLite may take %d MiB of memory for all syncs of this process, and the query needs more", sqliteguard.Memory()>>20)
	}
	if ok {
		if se.Code() == sqlite3.SQLITE_READONLY_ROLLBACK {
			return "a program did not finish its last transaction: open the file with that program first"
		}
		if se.Code()&0xff == sqlite3.SQLITE_READONLY {
			return "the file, its directory or their file system is read-only for this process"
		}
		if se.Code() == sqlite3.SQLITE_FULL {
			return fmt.Sprintf("the disk is full, or the temporary files that the query sorts in take more than %d MiB", sqliteguard.MaxTemporary>>20)
		}
		return se.Error()
	}
	return notTold
}
