package sqlsource

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/headgate/headgate/internal/sync/source"
)

// The answers of a database are bounded while they are read: the server may be a
// stranger's, and a short query can make a value of any length. [source.PageBytes]
// bounds the rows of a page.
const (
	maxRow    = 8 << 20  // bytes of a row; a longer one is rejected
	maxUnseen = 32 << 20 // bytes of a row that SQLite may make before its length is known
	// maxColumns are those of a query of SQLite: its rows are read only as a whole, so
	// each column has a share of maxUnseen, which with more columns would be too small
	// for rows that are not. A table is read in another way then, see pass.
	maxColumns = 512
)

var (
	rowTooLong = fmt.Sprintf("the row is longer than %d MiB", maxRow>>20)
	// errRowTooLong rejects a row that was read.
	errRowTooLong = &badValue{reason: rowTooLong}
)

// maxValue returns how long a value of a row of that many columns may be in SQLite, which
// makes all of a row before any of it can be looked at, and whose driver copies it whole.
// So the columns together never exceed maxUnseen. The memory that SQLite itself takes
// meanwhile has a limit of its own, see package sqliteguard.
func maxValue(columns int) int { return min(maxUnseen/max(columns, 1), maxRow) }

// weight is about how many bytes a value of n bytes takes in memory. JSON is read into
// a tree, which takes a multiple.
func weight(c column, n int) int {
	if c.kind == kindJSON || c.kind == kindArray {
		n *= 8
	}
	return n + 16
}

// full reports whether the page takes no more rows.
func (r *reader) full(page *source.Page) bool {
	return len(page.Rows)+len(page.Rejects) >= r.pull.PageSize || r.bytes >= source.PageBytes
}

// pass gets over an error of the query that is no end of the pull: it goes on after
// the last row that was read. Other errors it returns.
func (r *reader) pass(ctx context.Context, page *source.Page, err error) error {
	if ctx.Err() != nil {
		return err
	}
	switch r.source.engine.classify(err) {
	case tooSlow:
		if r.got == 0 {
			return err
		}
		r.stop()
		return nil
	case tooLong:
		r.stop()
		if !r.source.engine.rawPositions() {
			return r.passRow(ctx, page, err)
		}
		if r.weighs || r.table.query { // what a query makes twice may differ
			return err
		}
		// SQLite may have met the row while it sorted. From here on it looks at how
		// long a row is before it reads it.
		r.weighs = true
		r.dst = make([]any, len(r.columns()))
		return nil
	}
	return err
}

// passRow rejects the row that comes next, which cannot be read: its place is read alone.
func (r *reader) passRow(ctx context.Context, page *source.Page, cause error) error {
	if r.mark.Pass == keyless {
		page.Rejects = append(page.Rejects, source.Reject{
			Field: r.keys[0].name, Reason: "the key is NULL, and " + rowTooLong + "; others without a key may not be listed",
		})
		r.mark.Pass++
		if r.time == nil {
			r.mark.Pass = timed
		}
		return nil
	}
	e, columns := r.source.engine, r.position()
	s := &statement{engine: e}
	s.sql.WriteString("SELECT ")
	for i, c := range columns {
		if i > 0 {
			s.sql.WriteString(", ")
		}
		s.sql.WriteString(e.quote(c.name))
	}
	if err := r.rest(s, 1); err != nil {
		return err
	}
	place, err := e.query(ctx, columns, s.sql.String(), s.args...)
	if err != nil {
		return err
	}
	found := false
	err = each(place, len(columns), func(at []any) error {
		r.mark.At = slices.Clone(at)
		r.mark.Done++
		page.Rejects = append(page.Rejects, source.Reject{Key: describeKey(at[len(at)-len(r.keys):]), Reason: rowTooLong})
		found = true
		return nil
	})
	if err == nil && !found {
		err = cause
	}
	return err
}

// selected returns how a query selects the i-th of the reader's columns.
func (r *reader) selected(i int, c column) string {
	e := r.source.engine
	if !e.rawPositions() {
		return e.quote(c.name)
	}
	if r.weighs && i == len(r.dst)-1 {
		return r.long()
	}
	name := "+" + e.quote(c.name) // SQLite then gives what it has, not what the column's type suggests
	if r.weighs && i < r.width && !r.places(c.name) {
		return "CASE WHEN " + r.long() + " THEN NULL ELSE " + name + " END"
	}
	return name
}

// places reports whether the column is one of those that a row is found again by.
func (r *reader) places(name string) bool {
	return r.time != nil && r.time.name == name || slices.ContainsFunc(r.keys, func(k column) bool { return k.name == name })
}

// long is SQLite's condition that a row is too long. It reads no value for that.
func (r *reader) long() string {
	sum := "0"
	for _, c := range r.table.columns {
		sum += " + ifnull(octet_length(" + r.source.engine.quote(c.name) + "), 0)"
	}
	return "(" + sum + ") > " + strconv.Itoa(maxRow-64<<10)
}
