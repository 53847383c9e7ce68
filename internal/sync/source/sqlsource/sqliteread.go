package sqlsource

import (
	"context"
	"database/sql"
	"errors"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/headgate/headgate/internal/sync/source"
	"github.com/headgate/headgate/internal/sync/source/sqlsource/sqliteguard"
)

// errTooManyExpressions reports that SQLite's program for a query is so long that it could
// not be stopped soon after the context ends.
var errTooManyExpressions = errors.New("the query has too many expressions: SQLite could not stop it in time with the longest values that it may have")

// reading runs do with a connection whose statements end when the context ends, see
// [sqliteguard.Read].
func (e *sqliteEngine) reading(ctx context.Context, longest int, ours bool, do func(*sql.Conn) error) error {
	c, err := e.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	done, err := sqliteguard.Read(ctx, c, longest, ours)
	if err != nil {
		return err
	}
	err = do(c)
	if refused := done(); refused != nil {
		err = errors.Join(refused, err)
	} else if se, ok := errors.AsType[*sqlite.Error](err); ok && se.Code()&0xff == sqlite3.SQLITE_NOMEM {
		err = errors.Join(errTooManyExpressions, err) // SQLite reports too many instructions as a lack of memory
	}
	if err != nil && ctx.Err() != nil { // an interrupted statement can fail with any error
		return ctx.Err()
	}
	return err
}

// query runs a query and reads its rows at once.
func (e *sqliteEngine) query(ctx context.Context, columns []column, query string, args ...any) (out resultRows, err error) {
	length := maxValue(len(columns))
	weighs := columns[len(columns)-1].name == "" // the query of a table that checks the length of its rows
	if weighs {
		length = maxRow
	}
	err = e.reading(ctx, length, weighs, func(on *sql.Conn) error {
		out, err = e.readAll(ctx, on, columns, query, args...)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (e *sqliteEngine) readAll(ctx context.Context, c *sql.Conn, columns []column, query string, args ...any) (resultRows, error) {
	found, err := c.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	r := e.rowsOf(found, columns)
	defer r.release()
	b := &bufferedRows{}
	for r.more() {
		row := make([]any, len(columns))
		err := r.scan(row)
		bad, isBad := errors.AsType[*badValue](err)
		if err != nil && !isBad {
			return nil, err
		}
		b.rows, b.bad, b.sizes = append(b.rows, row), append(b.bad, bad), append(b.sizes, r.size())
		if b.bytes += r.size(); b.bytes >= source.PageBytes {
			b.cut = true
			break
		}
	}
	return b, errors.Join(r.err(), ctx.Err())
}

// bufferedRows holds rows that were read at once.
type bufferedRows struct {
	rows  [][]any
	bad   []*badValue
	sizes []int
	bytes int
	cut   bool // there may be more rows
	at    int
}

func (b *bufferedRows) more() bool {
	b.at++
	return b.at <= len(b.rows)
}

func (b *bufferedRows) scan(dst []any) error {
	copy(dst, b.rows[b.at-1])
	b.rows[b.at-1] = nil
	if bad := b.bad[b.at-1]; bad != nil {
		return bad
	}
	return nil
}

func (b *bufferedRows) size() int  { return b.sizes[b.at-1] }
func (b *bufferedRows) err() error { return nil }
func (b *bufferedRows) release()   { b.rows, b.bad, b.sizes = nil, nil, nil }
