package sqlsource

import (
	"context"
	"errors"

	"github.com/headgate/headgate/internal/sync/source"
	"github.com/headgate/headgate/internal/sync/source/sqlsource/sqliteguard"
)

// query reads at once what the query returns.
func (e *sqliteEngine) query(ctx context.Context, columns []column, query string, args ...any) (out rows, err error) {
	c, err := e.db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close() }()
	length := maxValue(len(columns))
	if columns[len(columns)-1].name == "" { // it has looked at how long a row is
		length = maxRow
	}
	done, err := sqliteguard.Read(ctx, c, length)
	if err != nil {
		return nil, err
	}
	defer func() {
		if refused := done(); refused != nil {
			out, err = nil, errors.Join(refused, err)
		}
	}()
	found, err := c.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	r := e.rowsOf(found, columns)
	defer r.close()
	b := &bufferedRows{}
	for r.next() {
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

// bufferedRows are rows that have been read.
type bufferedRows struct {
	rows  [][]any
	bad   []*badValue
	sizes []int
	bytes int
	cut   bool // there may be more rows
	at    int
}

func (b *bufferedRows) next() bool {
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
func (b *bufferedRows) close()     { b.rows, b.bad, b.sizes = nil, nil, nil }
