package rest

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/headgate/headgate/internal/sync/source"
)

// Path finds a value in JSON: "data.items", or "data.0.id", where -1 is the last element
// of a list. "" is the value itself. A path may end with a name that contains dots, such
// as "@odata.nextLink".
func Path(v any, path string) (any, bool) {
	for more := path != ""; more; {
		whole := path
		var name string
		name, path, more = strings.Cut(path, ".")
		switch t := v.(type) {
		case map[string]any:
			if end, ok := t[whole]; ok {
				return end, true
			}
			next, ok := t[name]
			if !ok {
				return nil, false
			}
			v = next
		case []any:
			i, err := strconv.Atoi(name)
			if err == nil && i < 0 {
				i += len(t)
			}
			if err != nil || i < 0 || i >= len(t) {
				return nil, false
			}
			v = t[i]
		default:
			return nil, false
		}
	}
	return v, true
}

// Rows turns JSON objects into rows. Objects with the same members share their Columns.
// The zero Rows is ready to use.
type Rows struct {
	columns *source.Columns
}

// Of returns the object as a row.
func (r *Rows) Of(object map[string]any) source.Row {
	if !r.fits(object) {
		r.columns = source.NewColumns(slices.Sorted(maps.Keys(object)))
	}
	names := r.columns.Names()
	values := make([]any, len(names))
	for i, n := range names {
		values[i] = object[n]
	}
	return source.Row{Columns: r.columns, Values: values}
}

// fits reports whether the object has the same members as the previous one.
func (r *Rows) fits(object map[string]any) bool {
	if r.columns == nil || len(object) != len(r.columns.Names()) {
		return false
	}
	for name := range object {
		if r.columns.Index(name) < 0 {
			return false
		}
	}
	return true
}

// Split turns the items into rows. An item that is no object becomes a reject.
func (r *Rows) Split(items []any) (rows []source.Row, rejects []source.Reject) {
	for _, item := range items {
		if object, ok := item.(map[string]any); ok {
			rows = append(rows, r.Of(object))
		} else {
			rejects = append(rejects, source.Reject{Reason: "is not a JSON object", Raw: item})
		}
	}
	return rows, rejects
}

// Instant reads a time from JSON, see [source.Instant]. A time that names no zone is UTC.
func Instant(v any) (time.Time, bool) { return source.Instant(v, nil) }

// Later moves the cursor to the latest time of the rows, but never past edge, and returns
// it. edge is the source's clock less the margin: rows that commit later may still get
// earlier times.
func Later(c source.Cursor, rows []source.Row, spec source.Spec, edge time.Time) source.Cursor {
	if spec.CursorTime == "" {
		return c
	}
	for _, row := range rows {
		t, ok := spec.TimeOf(row)
		if !ok {
			continue
		}
		if t.After(edge) {
			t = edge
		}
		if t.After(c.Time) {
			c = source.Cursor{Time: t}
		}
	}
	return c
}
