package apisource

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/headgate/headgate/internal/sync/source"
	"github.com/headgate/headgate/internal/sync/source/rest"
)

// matching finds out which result of a batch belongs to which of its rows. A result tells it
// by what it repeats: the row's attempt, its key, or else its other fields. If what it
// repeats fits rows that differ, it belongs to none.
type matching struct {
	*pusher
	w         *write
	changes   []source.Change // in the order of rows
	rows      []map[string]any
	results   []any
	of        map[int]any                 // results by the index of their row
	fields    map[string]map[string][]int // rows by the values of some of their fields
	sentNames map[string]bool             // fields of the rows
}

// match returns the results by the index of their row, and those that belong to none.
func (p *pusher) match(w *write, changes []source.Change, at []int, rows, results []any) (of map[int]any, open []any) {
	m := &matching{pusher: p, w: w, results: results, of: map[int]any{}, fields: map[string]map[string][]int{}, sentNames: map[string]bool{}}
	for n, i := range at {
		row, _ := rows[n].(map[string]any)
		m.rows, m.changes = append(m.rows, row), append(m.changes, changes[i])
		for name, v := range row {
			if v != nil && name != w.AttemptField {
				m.sentNames[name] = true
			}
		}
	}
	open = m.alike(m.named(results))
	if len(open) == 1 && len(m.of) == len(rows)-1 && len(results) == len(rows) { // all others are known
		for n := range rows {
			if _, known := m.of[n]; !known {
				m.of[n] = open[0]
			}
		}
		open = nil
	}
	return m.of, open
}

// echoes returns the objects of a result that may repeat the row: itself, and its members.
func (m *matching) echoes(result any) []map[string]any {
	object, ok := result.(map[string]any)
	if !ok {
		return nil
	}
	out := []map[string]any{object}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		if inner, ok := object[name].(map[string]any); ok {
			out = append(out, inner)
		}
	}
	return out
}

// named matches the results that repeat the attempt or the key of a row, and returns the
// others. Two results of one row tell nothing.
func (m *matching) named(results []any) (open []any) {
	byName := map[string]int{}
	for n, c := range m.changes {
		if m.w.AttemptField != "" {
			byName["attempt "+c.Attempt] = n
		}
		if c.Key != nil {
			byName["key "+nameOf(c.Key)] = n
		}
	}
	twice := map[int]bool{}
	for _, result := range results {
		n, ok := m.rowOf(result, byName)
		if _, known := m.of[n]; ok && known {
			twice[n] = true
		} else if ok {
			m.of[n] = result
		} else {
			open = append(open, result)
		}
	}
	maps.DeleteFunc(m.of, func(n int, _ any) bool { return twice[n] })
	return open
}

func (m *matching) rowOf(result any, byName map[string]int) (int, bool) {
	for _, echo := range m.echoes(result) {
		if v, ok := echo[m.w.AttemptField].(string); ok && m.w.AttemptField != "" {
			if n, ok := byName["attempt "+v]; ok {
				return n, true
			}
		}
		var key []any
		for _, column := range m.spec.Key {
			if v, _ := rest.Path(echo, column); v != nil {
				key = append(key, v)
			}
		}
		if len(key) == len(m.spec.Key) {
			if n, ok := byName["key "+nameOf(key)]; ok {
				return n, true
			}
		}
	}
	return 0, false
}

func nameOf(key []any) string {
	parts := make([]string, len(key))
	for i, v := range key {
		parts[i] = keyText(v)
	}
	b, _ := json.Marshal(parts) // texts can always be encoded
	return string(b)
}

// alike matches the results that repeat fields of one row only, and returns the others.
// Rows that were sent with the same values can stand for each other.
func (m *matching) alike(results []any) (open []any) {
	fits := map[int][]any{} // by the first row of those that are the same
	same := map[int][]int{}
	for _, result := range results {
		rows := m.fitting(result)
		if len(rows) == 0 || slices.ContainsFunc(rows, func(n int) bool { return !reflect.DeepEqual(m.sent(n), m.sent(rows[0])) }) {
			open = append(open, result)
			continue
		}
		fits[rows[0]], same[rows[0]] = append(fits[rows[0]], result), rows
	}
	for _, first := range slices.Sorted(maps.Keys(fits)) {
		if len(fits[first]) > len(same[first]) { // one of them belongs to a row of other values
			open = append(open, fits[first]...)
			continue
		}
		for k, result := range fits[first] {
			m.of[same[first][k]] = result
		}
	}
	return open
}

// sent returns the row as it was sent, without what is different in every row.
func (m *matching) sent(n int) map[string]any {
	row := maps.Clone(m.rows[n])
	delete(row, m.w.AttemptField)
	return row
}

// fitting returns the rows without a result that have all the values which the result
// repeats. It must repeat half of the fields: a single one, such as a state, can mean
// something else in a result.
func (m *matching) fitting(result any) []int {
	var best []int
	most := 0
	for _, echo := range m.echoes(result) {
		var names []string
		for _, name := range slices.Sorted(maps.Keys(echo)) {
			if m.sentNames[name] {
				names = append(names, name)
			}
		}
		if len(names) > most && 2*len(names) >= len(m.sentNames) {
			most, best = len(names), m.byFields(names)[values(echo, names)]
		}
	}
	return best
}

// byFields returns the rows without a result by the values of the fields.
func (m *matching) byFields(names []string) map[string][]int {
	id := strings.Join(names, "\x00")
	if m.fields[id] == nil {
		m.fields[id] = map[string][]int{}
		for n, row := range m.rows {
			if _, known := m.of[n]; !known {
				v := values(row, names)
				m.fields[id][v] = append(m.fields[id][v], n)
			}
		}
	}
	return m.fields[id]
}

// values returns a text that is equal for the same values of the fields. A server may repeat
// a number with other digits, or an instant in another form.
func values(row map[string]any, names []string) string {
	out := make([]any, len(names))
	for i, name := range names {
		out[i] = row[name]
		if text, ok := out[i].(string); ok {
			if at, ok := rest.Instant(text); ok {
				out[i] = at.Truncate(time.Millisecond).UTC()
			}
		}
	}
	b, err := json.Marshal(out)
	if err != nil {
		return ""
	}
	var plain any
	if json.Unmarshal(b, &plain) != nil { // makes each number a float64
		return string(b)
	}
	b, _ = json.Marshal(plain) // it was JSON
	return string(b)
}
