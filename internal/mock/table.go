package mock

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"
)

// table holds the rows of a type. Rows are never changed, only replaced.
type table struct {
	rows  map[string]stored
	order []string // keys in the order in which they were added
}

// stored is a row and, until it becomes visible, the previous one.
type stored struct {
	row, old Row // old is nil if there was none
	visible  time.Time
}

func newTable() *table { return &table{rows: map[string]stored{}} }

func (t *table) get(key string) Row { return t.rows[key].row }

func (t *table) put(key string, row Row, now, visible time.Time) {
	was, there := t.rows[key]
	if !there {
		t.order = append(t.order, key)
	}
	t.rows[key] = stored{row: row, old: was.at(now), visible: visible}
}

// at returns the row that is visible at the time.
func (s stored) at(now time.Time) Row {
	if now.Before(s.visible) {
		return s.old
	}
	return s.row
}

// find returns the key of the row with that id. The id is the key, or the part of the key
// after a dot.
func (t *table) find(id string) (string, bool) {
	if _, ok := t.rows[id]; ok {
		return id, true
	}
	for _, key := range t.order {
		if strings.HasSuffix(key, "."+id) {
			return key, true
		}
	}
	return "", false
}

func (t *table) remove(id string) bool {
	key, ok := t.find(id)
	if !ok {
		return false
	}
	delete(t.rows, key)
	t.order = slices.DeleteFunc(t.order, func(k string) bool { return k == key })
	return true
}

func (t *table) all() []Row {
	rows := make([]Row, 0, len(t.order))
	for _, key := range t.order {
		rows = append(rows, t.rows[key].row)
	}
	return rows
}

// seen returns the rows that are visible at the time.
func (t *table) seen(now time.Time) []Row {
	rows := make([]Row, 0, len(t.order))
	for _, key := range t.order {
		if row := t.rows[key].at(now); row != nil {
			rows = append(rows, row)
		}
	}
	return rows
}

func merged(old, changes Row) Row {
	row := maps.Clone(old)
	maps.Copy(row, changes)
	return row
}

func decode(b []byte) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	err = d.Decode(&v)
	return v, err
}

func decodeRow(b []byte) (Row, error) {
	v, err := decode(b)
	if err != nil {
		return nil, errNotObject
	}
	row, ok := v.(map[string]any)
	if !ok {
		return nil, errNotObject
	}
	return row, nil
}

// normalise returns a row with the types that decoding its JSON gives.
func normalise(row Row) (Row, error) {
	b, err := json.Marshal(row)
	if err != nil {
		return nil, err
	}
	return decodeRow(b)
}

// instant parses a time of a row.
func instant(v any) (time.Time, bool) {
	text, ok := v.(string)
	if !ok {
		return time.Time{}, false
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

const millis = "2006-01-02T15:04:05.000Z07:00"
