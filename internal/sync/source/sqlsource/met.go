package sqlsource

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/headgate/headgate/internal/sync/source"
)

// A database finds rows by its own comparison of keys, and stores a key as its column's type
// writes it: 007 is 7 in a column of integers, and ABC can be the row abc. So the key of a
// new row is read back, and a Create that meets an existing row says which one it is.

var _ source.KeyFinder = (*sqlSource)(nil)

// FindKeys implements source.KeyFinder.
func (s *sqlSource) FindKeys(ctx context.Context, spec source.Spec, keys [][]any) ([][]any, error) {
	ctx, cancel := s.within(ctx, s.options.wait.push)
	defer cancel()
	p, err := s.pusher(ctx, spec, nil)
	if err != nil {
		return nil, err
	}
	out := make([][]any, len(keys))
	for i, key := range keys {
		if len(key) != len(p.keys) {
			continue
		}
		q, err := p.selects(source.Change{Key: key}, p.keys, "")
		if err == nil {
			var r resultRows
			r, err = p.engine.query(ctx, p.keys, q.sql.String(), q.args...)
			out[i], err = firstOf(len(p.keys), r, err)
		}
		if err != nil && p.refusal(err) == nil {
			return nil, s.failed(ctx, err, "%s cannot be read", p.table.name)
		}
	}
	return out, nil
}

// selects returns a query for columns of a change's row, with more after its condition.
func (p *pusher) selects(c source.Change, columns []column, more string) (*statement, error) {
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
	err := p.whereKey(s, c)
	s.sql.WriteString(more)
	return s, err
}

// firstOf returns the first row of a query, nil if it has none.
func firstOf(width int, r resultRows, err error) (row []any, _ error) {
	if err != nil {
		return nil, err
	}
	err = each(r, width, func(values []any) error {
		row = slices.Clone(values)
		return nil
	})
	return row, err
}

// locked reads columns of a change's row and locks the row until the transaction ends. It
// returns nil if there is no such row.
func (p *pusher) locked(ctx context.Context, tx transaction, c source.Change, columns []column) (row []any, err error) {
	s, err := p.selects(c, columns, p.engine.locking())
	if err != nil {
		return nil, err
	}
	r, err := tx.query(ctx, columns, s.sql.String(), s.args...)
	return firstOf(len(columns), r, err)
}

// made returns the result of a Create that inserted its row.
func (p *pusher) made(ctx context.Context, tx transaction, c source.Change) (source.Result, error) {
	verbatim := true
	for i, k := range p.keys {
		verbatim = verbatim && keepsText(k, c.Key[i])
	}
	if verbatim {
		return source.Result{}, nil
	}
	key, err := p.locked(ctx, tx, c, p.keys)
	return source.Result{Key: key}, err
}

// keepsText reports whether a pull certainly returns the value as the same text, so that it
// need not be read back. A trigger may still change it.
func keepsText(c column, v any) bool {
	s, err := text(v)
	if err != nil {
		return false
	}
	switch c.kind {
	case kindText:
		return strings.Contains(c.typ, "varchar") || strings.HasSuffix(c.typ, "text")
	case kindInteger:
		n, err := strconv.ParseInt(s, 10, 64)
		return err == nil && strconv.FormatInt(n, 10) == s
	case kindInstant, kindLocal:
		t, ok := timeOf(v)
		return ok && t.Equal(t.Truncate(time.Second)) && t.UTC().Format(time.RFC3339Nano) == s
	}
	return c.typ == "uuid" && len(s) == 36 && strings.Count(s, "-") == 4 && s == strings.ToLower(s)
}

// met handles a Create whose row exists. An earlier attempt may have made it, or it was
// deleted and is marked: then it is written as a new one. Any other row is somebody else's.
func (p *pusher) met(ctx context.Context, tx transaction, c source.Change, absent error) (source.Result, error) {
	key, err := p.locked(ctx, tx, c, p.keys)
	if err == nil && key == nil {
		err = absent
	}
	if err != nil {
		return source.Result{}, err
	}
	c.Op, c.Changed, c.Expect = source.Update, nil, map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(c.Fields)) {
		if slices.Contains(p.spec.Key, name) {
			continue
		}
		c.Changed = append(c.Changed, name)
		if name != p.spec.CursorTime { // the database may maintain it
			c.Expect[name] = c.Fields[name]
		}
	}
	if gone, err := p.isMarked(ctx, tx, c); err != nil || gone {
		if err == nil {
			err = p.revive(ctx, tx, c)
		}
		return source.Result{Key: key}, err
	}
	if len(c.Expect) == 0 {
		return source.Result{Key: key}, nil
	}
	same, err := p.holds(ctx, tx, c)
	if err == nil && !same {
		err = source.ErrExists
	}
	return source.Result{Key: key}, err
}

// holds reports whether the row has the expected values, in any spelling.
func (p *pusher) holds(ctx context.Context, tx transaction, c source.Change) (bool, error) {
	s, err := p.selects(c, p.keys[:1], " AND ")
	if err == nil {
		err = p.whereSame(s, c.Expect)
	}
	if err != nil {
		return false, err
	}
	r, err := tx.query(ctx, p.keys[:1], s.sql.String(), s.args...)
	row, err := firstOf(1, r, err)
	if err != nil || row != nil || p.spec.Same == nil {
		return row != nil, err
	}
	names, columns := slices.Sorted(maps.Keys(c.Expect)), []column{p.keys[0]}
	for _, name := range names {
		columns = append(columns, p.column(name))
	}
	row, err = p.locked(ctx, tx, c, columns)
	return err == nil && row != nil && p.means(names, row[1:], c.Expect), err
}

// isMarked reports whether the row is marked as deleted.
func (p *pusher) isMarked(ctx context.Context, tx transaction, c source.Change) (bool, error) {
	if p.deleted == nil {
		return false, nil
	}
	row, err := p.locked(ctx, tx, c, []column{p.keys[0], *p.deleted})
	if err != nil || row == nil {
		return false, err
	}
	return p.spec.Marked(row[1]), nil
}

// revive writes a row that was deleted and is marked as a new one.
func (p *pusher) revive(ctx context.Context, tx transaction, c source.Change) error {
	fields := maps.Clone(c.Fields)
	if fields == nil {
		fields = map[string]any{}
	}
	if !slices.Contains(c.Changed, p.deleted.name) {
		c.Changed = append(slices.Clone(c.Changed), p.deleted.name)
		fields[p.deleted.name] = p.spec.Live
	}
	c.Fields, c.Expect = fields, nil
	s, err := p.update(c)
	if err != nil || s == nil {
		return err
	}
	_, err = tx.exec(ctx, s.sql.String(), s.args...)
	return err
}
