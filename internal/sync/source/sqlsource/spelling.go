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
	row, err := p.locked(ctx, tx, c, columns)
	if err != nil || row == nil && c.Op == source.Delete {
		return err
	}
	if row == nil || len(names) == 0 || p.spec.Same == nil || !p.means(names, row[1:], c.Expect) && (c.Op != source.Update || !p.means(names, row[1:], c.Fields)) {
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

// means reports whether the values of the row mean those by their names.
func (p *pusher) means(names []string, row []any, values map[string]any) bool {
	for i, name := range names {
		if !p.spec.Means(name, row[i], values[name]) {
			return false
		}
	}
	return true
}
