package sqlsource

import (
	"context"
	"maps"
	"slices"

	"github.com/headgate/headgate/internal/sync/source"
)

// otherwise handles an Update or a Delete whose row does not have the expected values as they
// are bound. The row may spell them otherwise: then nobody changed it, and the change is made
// without that condition, as the row is locked. The error is source.ErrMoved if the row
// changed, or if an Update finds no row.
func (p *pusher) otherwise(ctx context.Context, tx transaction, c source.Change) error {
	names := slices.Sorted(maps.Keys(c.Expect))
	columns := []column{p.keys[0]}
	for _, name := range names {
		columns = append(columns, p.column(name))
	}
	there, row, err := p.locked(ctx, tx, c, columns)
	if err != nil || !there && c.Op == source.Delete {
		return err
	}
	if !there || len(names) == 0 || p.spec.Same == nil || !p.sameRow(c, names, row[1:]) {
		return source.ErrMoved
	}
	c.Expect = nil
	s, err := p.statement(ctx, c)
	if err != nil || s == nil {
		return err
	}
	n, err := tx.exec(ctx, s.sql.String(), s.args...)
	if err == nil && n == 0 {
		err = source.ErrMoved
	}
	return err
}

// sameRow reports whether the row means the values on which both sides last agreed, or
// those of an Update that an earlier attempt wrote.
func (p *pusher) sameRow(c source.Change, names []string, row []any) bool {
	means := func(values map[string]any) bool {
		for i, name := range names {
			if !p.spec.Means(name, row[i], values[name]) {
				return false
			}
		}
		return true
	}
	return means(c.Expect) || c.Op == source.Update && means(c.Fields)
}

// locked reads the columns of a change's row and locks the row until the transaction ends.
func (p *pusher) locked(ctx context.Context, tx transaction, c source.Change, columns []column) (there bool, row []any, err error) {
	s := &statement{engine: p.engine}
	s.sql.WriteString("SELECT ")
	for i, c := range columns {
		if i > 0 {
			s.sql.WriteString(", ")
		}
		if p.engine.rawPositions() { // the + makes SQLite return the stored value, not one of the column's type
			s.sql.WriteString("+")
		}
		s.sql.WriteString(p.engine.quote(c.name))
	}
	s.sql.WriteString(" FROM " + p.table.from + " WHERE ")
	if err := p.whereKey(s, c); err != nil {
		return false, nil, err
	}
	s.sql.WriteString(p.engine.locking())
	r, err := tx.query(ctx, columns, s.sql.String(), s.args...)
	if err != nil {
		return false, nil, err
	}
	err = each(r, len(columns), func(values []any) error {
		there, row = true, slices.Clone(values)
		return nil
	})
	return there, row, err
}
