package sqlsource

import (
	"context"
	"database/sql"
)

// standard holds the common part of the engines that use database/sql.
type standard struct {
	db *sql.DB
	// value converts a value of the driver into one of a row.
	value func(c column, v any) (any, error)
}

func (s *standard) rowsOf(r *sql.Rows, columns []column) resultRows {
	out := &standardRows{rows: r, columns: columns, value: s.value, raw: make([]any, len(columns)), into: make([]any, len(columns))}
	for i := range out.raw {
		out.into[i] = &out.raw[i]
	}
	return out
}

// querier is a database, a connection or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

func (s *standard) begin(ctx context.Context) (transaction, error) {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	return standardTx{tx: tx, standard: s}, nil
}

// types returns the names and types of the columns as the driver reports them.
func (s *standard) types(ctx context.Context, on querier, from string) ([]*sql.ColumnType, error) {
	r, err := on.QueryContext(ctx, "SELECT * FROM "+from+" LIMIT 0")
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	types, err := r.ColumnTypes()
	if err != nil {
		return nil, err
	}
	return types, r.Err()
}

type standardRows struct {
	rows    *sql.Rows
	columns []column
	value   func(column, any) (any, error)
	raw     []any
	into    []any
	bytes   int
}

func (r *standardRows) more() bool { return r.rows.Next() }
func (r *standardRows) size() int  { return r.bytes }
func (r *standardRows) err() error { return r.rows.Err() }
func (r *standardRows) release()   { _ = r.rows.Close() }

func (r *standardRows) scan(dst []any) error {
	if err := r.rows.Scan(r.into...); err != nil {
		return err
	}
	var bad error
	length := 0
	for _, v := range r.raw {
		length += lengthOf(v)
	}
	r.bytes = 0
	for i, c := range r.columns {
		n := lengthOf(r.raw[i])
		if length > maxRow && n > maxShown && c.kind != kindRaw { // the row is rejected, so the value is not copied
			dst[i] = nil
			continue
		}
		r.bytes += weight(c, n)
		v, err := r.value(c, r.raw[i])
		if err != nil && bad == nil {
			bad = err
		}
		dst[i] = v
	}
	if length > maxRow {
		return errRowTooLong
	}
	return bad
}

// maxShown is the size in bytes of the longest value that the reject of a long row shows.
const maxShown = 64 << 10

// lengthOf returns the number of bytes of a value of the driver.
func lengthOf(v any) int {
	switch v := v.(type) {
	case []byte:
		return len(v)
	case string:
		return len(v)
	}
	return 0
}

type standardTx struct {
	tx       *sql.Tx
	standard *standard
}

func (t standardTx) exec(ctx context.Context, query string, args ...any) (int64, error) {
	r, err := t.tx.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

func (t standardTx) execAll(ctx context.Context, statements []*statement) ([]int64, error) {
	affected := make([]int64, 0, len(statements))
	for _, s := range statements {
		n, err := t.exec(ctx, s.sql.String(), s.args...)
		if err != nil {
			return affected, err
		}
		affected = append(affected, n)
	}
	return affected, nil
}

func (t standardTx) query(ctx context.Context, columns []column, query string, args ...any) (resultRows, error) {
	r, err := t.tx.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return t.standard.rowsOf(r, columns), nil
}

func (t standardTx) commit(context.Context) error { return t.tx.Commit() }

func (t standardTx) rollback() { _ = t.tx.Rollback() }
