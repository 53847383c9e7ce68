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

// statement returns the query of the pass for the rows after the mark.
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
			s.sql.WriteString(e.missing(k))
		}
		if n := r.limit(); e.rawPositions() {
			s.sql.WriteString(" LIMIT " + strconv.Itoa(n) + " OFFSET " + strconv.Itoa(r.mark.Skip))
		}
		return s, nil
	}
	return s, r.rest(s, r.limit())
}

// passRead passes over the rows without a key that were read before the query began. They
// have no position to continue after. It reports false if the query has no more rows.
func (r *reader) passRead() bool {
	if r.mark.Pass != keyless || r.got > 0 || r.source.engine.rawPositions() {
		return true
	}
	for range r.mark.Skip {
		if !r.rows.more() {
			return false
		}
	}
	return true
}

// rest writes the part of a query after its columns. The query returns at most n rows after
// the mark, in order; 0: all of them.
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

// since returns the condition that leaves out the rows of earlier pulls, or "" if there is
// none.
func (r *reader) since(s *statement) (string, error) {
	at, clock, ok := r.begins()
	if !ok {
		return "", nil
	}
	return s.engine.since(*r.time, at, clock, s)
}

// timeless returns the condition for the rows whose cursor column has no time that the
// database can order.
func (r *reader) timeless() string {
	name := r.source.engine.quote(r.time.name)
	condition := name + " IS NULL"
	if unordered := r.source.engine.unordered(*r.time); unordered != "" {
		condition = "(" + condition + " OR " + unordered + ")"
	}
	return condition
}

// timed returns the condition for the other rows. It reverses timeless.
func (r *reader) timed() string {
	condition := r.source.engine.quote(r.time.name) + " IS NOT NULL"
	if unordered := r.source.engine.unordered(*r.time); unordered != "" {
		condition += " AND NOT (" + unordered + ")"
	}
	return condition
}

// count returns the number of rows that the pull will read, for the progress. A large count
// can take long, so after a short time it gives up and returns 0.
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
		s.sql.WriteString(" WHERE " + since + " OR " + r.timeless())
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

// where writes the condition of the passes timeless and timed.
func (r *reader) where(s *statement) error {
	condition := "TRUE"
	switch {
	case r.mark.Pass == timeless:
		condition = r.timeless()
	case r.time != nil:
		condition = r.timed()
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

// after writes the condition for the rows that come after a position in the order of the
// columns.
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
	// a >= 1 AND (a > 1 OR a = 1 AND (b > 2 …)): the first condition lets the database use
	// an index.
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
