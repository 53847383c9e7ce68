package mapping

import (
	"slices"
	"time"

	"github.com/headgate/headgate/internal/sync/source"
)

// Unmap turns a record's data into a row's values by column, with times in the format of
// their fields and values as the source spells them. It leaves out constant and computed
// fields, which have no column, and columns that the source does not have. A path
// such as "a.b" stays one name, because only the source knows whether it has such a column.
func (m *Mapper) Unmap(data map[string]any) (map[string]any, *source.Reject) {
	out := make(map[string]any, len(data))
	if m.fields == nil {
		for k, v := range data {
			if m.hasColumn(k) {
				out[k] = v
			}
		}
		return out, nil
	}
	for i := range m.fields {
		f := &m.fields[i]
		if f.From == "" || !m.hasColumn(f.From) {
			continue
		}
		v, ok := data[f.name]
		if !ok {
			out[f.From] = nil
			continue
		}
		v, err := f.spell(v)
		if err != nil {
			return nil, &source.Reject{Field: f.name, Reason: err.Error()}
		}
		out[f.From] = v
	}
	return out, nil
}

// Lacking returns the columns of Unmap whose fields the record does not have, as opposed to
// those with a null.
func (m *Mapper) Lacking(data map[string]any) []string {
	var lacking []string
	for i := range m.fields {
		if f := &m.fields[i]; f.From != "" {
			if _, ok := data[f.name]; !ok {
				lacking = append(lacking, f.From)
			}
		}
	}
	return lacking
}

func formatTime(t time.Time, format string, zone *time.Location) any {
	switch format {
	case "", "rfc3339":
		return t.UTC().Format(time.RFC3339Nano)
	case "date":
		return source.DateIn(t, zone)
	case "unix":
		return t.Unix()
	case "unixms":
		return t.UnixMilli()
	default:
		return t.In(zone).Format(format)
	}
}

// hasColumn reports whether the source has the column.
func (m *Mapper) hasColumn(name string) bool {
	return m.spec.Columns == nil || slices.Contains(m.spec.Columns, name) || slices.Contains(m.spec.Key, name)
}

// Own returns the fields of the data that the source has no column for, and that are
// therefore the store's own. Constant and computed fields are not among them.
func (m *Mapper) Own(data map[string]any) (own []string) {
	if m.spec.Columns == nil {
		return nil
	}
	for name := range data {
		if m.fields == nil && !m.hasColumn(name) {
			own = append(own, name)
		}
	}
	for i := range m.fields {
		if f := &m.fields[i]; f.From != "" && !m.hasColumn(f.From) {
			own = append(own, f.name)
		}
	}
	return own
}

// ColumnsOf returns the columns that the fields are written to.
func (m *Mapper) ColumnsOf(fields []string) []string {
	var out []string
	if m.fields == nil {
		for _, f := range fields {
			if m.hasColumn(f) {
				out = append(out, f)
			}
		}
		return out
	}
	for i := range m.fields {
		if f := &m.fields[i]; f.From != "" && m.hasColumn(f.From) && slices.Contains(fields, f.name) {
			out = append(out, f.From)
		}
	}
	return out
}

// NewKey returns the key of a row that is new to the source, from the row's fields or
// else from the record's id. It returns nil if the source chooses keys itself.
func (m *Mapper) NewKey(src source.Source, id string, fields map[string]any) []any {
	key := make([]any, len(m.spec.Key))
	for i, column := range m.spec.Key {
		v, ok := fields[column]
		if !ok || v == nil {
			if c, ok := src.(source.KeyChooser); ok && c.ChoosesKeys(m.spec.Datatype) {
				return nil
			}
			return m.Unkey(id)
		}
		key[i] = v
	}
	return key
}

// Pick returns the fields of those names. It returns nil for nil.
func Pick(fields map[string]any, names []string) map[string]any {
	if fields == nil {
		return nil
	}
	out := make(map[string]any, len(names))
	for _, n := range names {
		out[n] = fields[n]
	}
	return out
}
