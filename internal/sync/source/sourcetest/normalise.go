package sourcetest

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/headgate/headgate/internal/sync/source"
)

// ReadRow reads a row that has the suite's Columns. Values may be strings, as in a file,
// because a mapping converts them later.
func ReadRow(row source.Row) (Record, error) {
	var r Record
	id, ok := row.Get("id")
	if !ok || id == nil {
		return r, fmt.Errorf("a row without id: %v", row.Map())
	}
	r.ID = fmt.Sprint(id)
	if name, _ := row.Get("name"); name != nil {
		r.Name = fmt.Sprint(name)
	}
	var err error
	if v, _ := row.Get("value"); v != nil {
		if r.Value, err = strconv.ParseFloat(fmt.Sprint(v), 64); err != nil {
			return r, fmt.Errorf("value of %s: %w", r.ID, err)
		}
	}
	if v, _ := row.Get("updated_at"); v != nil {
		if r.UpdatedAt, err = ReadTime(v); err != nil {
			return r, fmt.Errorf("updated_at of %s: %w", r.ID, err)
		}
	}
	if v, _ := row.Get("deleted"); v != nil {
		if r.Deleted, err = ReadBool(v); err != nil {
			return r, fmt.Errorf("deleted of %s: %w", r.ID, err)
		}
	}
	return r, nil
}

func fieldsOf(r Record) map[string]any {
	return map[string]any{"id": r.ID, "name": r.Name, "value": r.Value, "updated_at": r.UpdatedAt, "deleted": r.Deleted}
}

// ReadTime reads a time in any form that a source returns.
func ReadTime(v any) (time.Time, error) {
	switch v := v.(type) {
	case time.Time:
		return v.UTC(), nil
	case int64:
		return time.Unix(v, 0).UTC(), nil
	case string:
		for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999", "2006-01-02T15:04:05.999999999"} {
			if t, err := time.Parse(layout, v); err == nil {
				return t.UTC(), nil
			}
		}
	}
	return time.Time{}, fmt.Errorf("%v (%T) is not a time", v, v)
}

// ReadBool reads a bool in any form that a source returns.
func ReadBool(v any) (bool, error) {
	switch s := strings.ToLower(fmt.Sprint(v)); s {
	case "":
		return false, nil
	case "yes", "y":
		return true, nil
	case "no", "n":
		return false, nil
	default:
		return strconv.ParseBool(s)
	}
}

func isRowValue(v any) bool {
	switch v := v.(type) {
	case nil, bool, int64, float64, string, json.Number:
		return true
	case time.Time:
		return v.Location() == time.UTC || v.Location() == source.Zoneless
	case []any:
		for _, e := range v {
			if !isRowValue(e) {
				return false
			}
		}
		return true
	case map[string]any:
		for _, e := range v {
			if !isRowValue(e) {
				return false
			}
		}
		return true
	}
	return false
}

// plainRecord returns a text that is equal for records with the same meaning. Times of
// different zones, for example, have the same text.
func plainRecord(r Record) string {
	return fmt.Sprintf("%s|%q|%v|%s|%v", r.ID, r.Name, r.Value, r.UpdatedAt.UTC().Format(time.RFC3339Nano), r.Deleted)
}

func plain(m map[string]Record) map[string]string {
	out := make(map[string]string, len(m))
	for id, r := range m {
		out[id] = plainRecord(r)
	}
	return out
}
