package rest

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/headgate/headgate/internal/sync/source"
)

// Path finds a value in JSON: "data.items", or "data.0.id", where -1 is the last of a
// list. "" is the value itself. A name with dots in it can be the end of a path:
// "@odata.nextLink".
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

// Rows makes rows of JSON objects. The zero Rows is ready to be used.
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

// fits is whether the columns of the object before are those of this one.
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

// Split makes rows of the items, and rejects of those that are no objects.
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

// Instant reads a time as JSON has it: RFC 3339 and the like, or a number of
// seconds or milliseconds since 1970.
func Instant(v any) (time.Time, bool) {
	switch v := v.(type) {
	case time.Time:
		return v, true
	case json.Number:
		n, err := v.Float64()
		if err != nil || n < 0 || n > 1e15 {
			return time.Time{}, false
		}
		if n > 1e11 { // as seconds, that would be after the year 5000
			return time.UnixMicro(int64(n * 1e3)).UTC(), true
		}
		return time.UnixMicro(int64(n * 1e6)).UTC(), true
	case string:
		for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999", time.DateOnly} {
			if t, err := time.Parse(layout, v); err == nil {
				return t.UTC(), true
			}
		}
	}
	return time.Time{}, false
}

// Later returns the cursor moved to the latest of the rows' times, and never
// beyond the edge.
func Later(c source.Cursor, rows []source.Row, column string, edge time.Time) source.Cursor {
	if column == "" {
		return c
	}
	for _, row := range rows {
		v, _ := row.Get(column)
		t, ok := Instant(v)
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
