package sqlsource

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/headgate/headgate/internal/sync/source"
)

// Answers are bounded while they are read, because the server may belong to a stranger and
// a short query can produce a value of any length. [source.PageBytes] bounds the rows of a
// page.
const (
	maxRow    = 8 << 20  // bytes of a row; a longer row is rejected
	maxUnseen = 32 << 20 // bytes of a row that SQLite may produce before its length is known
	// maxColumns is the largest number of columns of a query of SQLite. Its rows are
	// read only as a whole, so each column gets a share of maxUnseen. With more columns
	// the shares would be too small for ordinary values. A row of a table that exceeds
	// its share is read in another way, see pass.
	maxColumns = 512
)

var (
	rowTooLong = fmt.Sprintf("the row is longer than %d MiB", maxRow>>20)
	// errRowTooLong rejects a row after it was read.
	errRowTooLong = &badValue{reason: rowTooLong}
)

// maxValue returns the longest value in bytes that SQLite may return for a row with that
// many columns. SQLite produces a whole row before anybody can check its length, and the
// driver then copies it. The limit keeps all columns together below maxUnseen. Package
// sqliteguard bounds the memory that SQLite itself takes meanwhile.
func maxValue(columns int) int { return min(maxUnseen/max(columns, 1), maxRow) }

// weight estimates the memory of a value that has n bytes in the answer. JSON is decoded
// into a tree, which takes a multiple.
func weight(c column, n int) int {
	if c.kind == kindJSON || c.kind == kindArray {
		n *= 8
	}
	return n + 16
}

// full reports whether the page has enough rows.
func (r *reader) full(page *source.Page) bool {
	return len(page.Rows)+len(page.Rejects) >= r.pull.PageSize || r.bytes >= source.PageBytes
}

// pass handles an error of a query that need not end the pull: a row that is too long, or
// a query that the database stopped after some rows. The pull then continues after the
// last row that was read. pass returns every other error.
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
		if r.weighs || r.table.query { // a definition's query may return other rows the second time
			return err
		}
		// SQLite may have read the long row while it sorted, so its place is unknown.
		// From here on the query checks the length of each row before it reads the row.
		r.weighs = true
		r.dst = make([]any, len(r.columns()))
		return nil
	}
	return err
}

// passRow rejects the next row, which is too long to read. It reads only the row's position
// and moves the mark there.
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
	name := "+" + e.quote(c.name) // the + makes SQLite return the stored value, not one of the column's type
	if r.weighs && i < r.width && !r.places(c.name) {
		return "CASE WHEN " + r.long() + " THEN NULL ELSE " + name + " END"
	}
	return name
}

// places reports whether the column is part of a row's position.
func (r *reader) places(name string) bool {
	return r.time != nil && r.time.name == name || slices.ContainsFunc(r.keys, func(k column) bool { return k.name == name })
}

// long returns SQLite's condition for a row that is too long. SQLite evaluates it without
// reading the values.
func (r *reader) long() string {
	sum := "0"
	for _, c := range r.table.columns {
		sum += " + ifnull(octet_length(" + r.source.engine.quote(c.name) + "), 0)"
	}
	return "(" + sum + ") > " + strconv.Itoa(maxRow-64<<10)
}
