package sqlsource

import (
	"context"
	"strconv"
	"time"

	"github.com/headgate/headgate/internal/platform/fault"
)

const countTimeout = 2 * time.Second

func (r *reader) limit() int {
	if b := r.source.options.Batch; b > 0 {
		return b
	}
	return r.source.engine.buffered()
}

// statement is the pass's query.
func (r *reader) statement() (*statement, error) {
	e := r.source.engine
	s := &statement{engine: e}
	s.sql.WriteString("SELECT ")
	for i, c := range r.columns() {
		if i > 0 {
			s.sql.WriteString(", ")
		}
		s.sql.WriteString(r.selected(i, c))
	}
	if r.mark.Pass == keyless {
		s.sql.WriteString(" FROM " + r.table.from + " WHERE ")
		for i, k := range r.keys {
			if i > 0 {
				s.sql.WriteString(" OR ")
			}
			s.sql.WriteString(e.quote(k.name) + " IS NULL")
		}
		if n := r.limit(); e.rawPositions() {
			s.sql.WriteString(" LIMIT " + strconv.Itoa(n) + " OFFSET " + strconv.Itoa(r.skip))
		}
		return s, nil
	}
	return s, r.rest(s, r.limit())
}

// rest writes what follows the columns of a query of the rows after the mark, in
// order, at most n of them; 0: all.
func (r *reader) rest(s *statement, n int) error {
	e := r.source.engine
	s.sql.WriteString(" FROM " + r.table.from + " WHERE ")
	for _, k := range r.keys {
		s.sql.WriteString(e.quote(k.name) + " IS NOT NULL AND ")
	}
	if err := r.where(s); err != nil {
		return err
	}
	s.sql.WriteString(" ORDER BY ")
	for i, c := range r.position() {
		if i > 0 {
			s.sql.WriteString(", ")
		}
		s.sql.WriteString(e.quote(c.name))
	}
	if n > 0 {
		s.sql.WriteString(" LIMIT " + strconv.Itoa(n))
	}
	return nil
}

// since returns the condition that leaves out what earlier pulls read; "": none.
func (r *reader) since(s *statement) (string, error) {
	if r.time == nil || r.pull.Cursor.Time.IsZero() {
		return "", nil
	}
	return s.engine.since(*r.time, r.pull.Cursor.Time.Add(-r.pull.Overlap), s)
}

// count returns how many rows the pull is about to read. It is for people, who
// would rather not wait for it: 0 if it takes long.
func (r *reader) count(ctx context.Context) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, countTimeout)
	defer cancel()
	s := &statement{engine: r.source.engine}
	since, err := r.since(s)
	if err != nil {
		return 0, err
	}
	s.sql.WriteString("SELECT COUNT(*) FROM " + r.table.from)
	if since != "" {
		s.sql.WriteString(" WHERE " + since + " OR " + s.engine.quote(r.time.name) + " IS NULL")
	}
	rows, err := r.source.engine.query(ctx, []column{{name: "count", kind: kindInteger}}, s.sql.String(), s.args...)
	if err != nil {
		return 0, nil
	}
	var n int64
	err = each(rows, 1, func(v []any) error {
		n, _ = v[0].(int64)
		return nil
	})
	if err != nil {
		return 0, nil
	}
	return n, nil
}

// where writes the condition of the passes that have an order.
func (r *reader) where(s *statement) error {
	e := r.source.engine
	condition := "TRUE"
	switch {
	case r.mark.Pass == timeless:
		condition = e.quote(r.time.name) + " IS NULL"
	case r.time != nil:
		condition = e.quote(r.time.name) + " IS NOT NULL"
		if r.mark.At == nil {
			since, err := r.since(s)
			if err != nil {
				return err
			}
			if since != "" {
				condition += " AND " + since
			}
		}
	}
	s.sql.WriteString(condition)
	if r.mark.At == nil {
		return nil
	}
	position := r.position()
	if len(position) != len(r.mark.At) {
		return fault.New(fault.Invalid, "the pull of %s cannot be resumed with another key", r.table.name)
	}
	s.sql.WriteString(" AND ")
	return s.after(position, r.mark.At)
}

// after writes the condition that the columns come after the values, in order.
func (s *statement) after(columns []column, values []any) error {
	e := s.engine
	if e.rawPositions() {
		columns = append([]column{}, columns...)
		for i := range columns {
			columns[i].kind = kindRaw
		}
	}
	if e.rowValues() {
		names, placeholders := "", ""
		for i, c := range columns {
			p, err := s.value(c, values[i])
			if err != nil {
				return err
			}
			if i > 0 {
				names, placeholders = names+", ", placeholders+", "
			}
			names, placeholders = names+e.quote(c.name), placeholders+p
		}
		s.sql.WriteString("(" + names + ") > (" + placeholders + ")")
		return nil
	}
	// a >= 1 AND (a > 1 OR a = 1 AND (b > 2 …)): the first lets an index be used.
	first, err := s.value(columns[0], values[0])
	if err != nil {
		return err
	}
	s.sql.WriteString(e.quote(columns[0].name) + " >= " + first + " AND (")
	for i, c := range columns {
		p, err := s.value(c, values[i])
		if err != nil {
			return err
		}
		name := e.quote(c.name)
		s.sql.WriteString(name + " > " + p)
		if i < len(columns)-1 {
			if p, err = s.value(c, values[i]); err != nil {
				return err
			}
			s.sql.WriteString(" OR " + name + " = " + p + " AND (")
		}
	}
	for range columns {
		s.sql.WriteString(")")
	}
	return nil
}
