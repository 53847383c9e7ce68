package mapping

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/headgate/headgate/internal/record"
	"github.com/headgate/headgate/internal/sync/source"
)

// slabSize is the size of the blocks that Map cuts the records' data from. Rows are many
// and small, so one allocation for each of them would cost more than the mapping itself.
const slabSize = 64 << 10

// Map turns a row into a record, or into a reject that names the field and the broken
// rule. The result does not refer to the row, whose values the source may reuse.
func (m *Mapper) Map(row source.Row) (Mapped, *source.Reject) {
	if row.Columns != m.columns {
		m.bind(row.Columns)
	}
	key, err := m.keyOf(row)
	if err != nil {
		return Mapped{}, m.reject(row, "", m.badKey(row), "the key "+err.Error())
	}
	out := Mapped{Key: key, Deleted: m.deleted(row)}
	if m.spec.CursorTime != "" {
		out.Time = m.changedAt(row)
	}
	if out.Deleted {
		return out, nil
	}
	if len(m.def.ExternalIDs) > 0 {
		out.ExternalIDs = m.externalIDs(row)
	}
	if cap(m.slab)-len(m.slab) < 2<<10 {
		m.slab = make([]byte, 0, slabSize)
	}
	start := len(m.slab)
	b := append(m.slab, '{')
	fields := m.fields
	if fields == nil {
		fields = m.identity
	}
	for i := range fields {
		f := &fields[i]
		before := len(b)
		if before > start+1 {
			b = append(b, ',')
		}
		b = append(b, f.member...)
		next, there, err := f.appendValue(b, row)
		if err != nil {
			return Mapped{}, m.reject(row, key, f.name, err.Error())
		}
		if !there {
			if f.Required {
				return Mapped{}, m.reject(row, key, f.name, "is required")
			}
			b = b[:before]
			continue
		}
		b = next
	}
	b = append(b, '}')
	if len(b)-start > maxData {
		return Mapped{}, m.reject(row, key, "", fmt.Sprintf("the record has %d bytes, and %d is the most", len(b)-start, maxData))
	}
	out.Data = b[start:len(b):len(b)]
	m.slab = b
	return out, nil
}

// bind looks up the places of the mapping's columns in the rows that follow. Rows of one
// page mostly share their Columns, so Map binds once and not for every row.
func (m *Mapper) bind(c *source.Columns) {
	m.columns = c
	m.keyAt = m.keyAt[:0]
	for _, k := range m.spec.Key {
		m.keyAt = append(m.keyAt, c.Index(k))
	}
	m.deletedAt = -1
	m.changed.bind(c)
	if m.spec.Deleted != "" {
		m.deletedAt = c.Index(m.spec.Deleted)
	}
	for i := range m.fields {
		m.fields[i].bind(c)
	}
	if m.fields == nil {
		m.identity = identityOf(c, m.spec.Deleted)
	}
}

// bind looks up the place of the field's column or path.
func (f *compiled) bind(c *source.Columns) {
	if f.From == "" {
		return
	}
	if f.at, f.path = c.Index(f.From), nil; f.at < 0 {
		if first, rest, ok := strings.Cut(f.From, "."); ok {
			f.at, f.path = c.Index(first), strings.Split(rest, ".")
		}
	}
	f.found = f.found || f.at >= 0
}

// identityOf returns the fields of a mapping without fields: every column under its own
// name, except the column that marks deleted rows.
func identityOf(c *source.Columns, deleted string) []compiled {
	fields := make([]compiled, 0, len(c.Names()))
	for i, n := range c.Names() {
		if n == deleted {
			continue
		}
		member, err := appendText(nil, n) // a name that is no text would become the name of another column
		fields = append(fields, compiled{name: n, member: append(member, ':'), bad: err, at: i, zone: time.UTC})
	}
	slices.SortFunc(fields, func(a, b compiled) int { return cmp.Compare(a.name, b.name) })
	return fields
}

func (m *Mapper) keyOf(row source.Row) (string, error) {
	if len(m.keyAt) == 1 {
		s, err := keyText(at(row, m.keyAt[0]))
		if err == nil && len(s) > maxKey {
			err = fmt.Errorf("is longer than %d bytes", maxKey)
		}
		if err == nil && !utf8.ValidString(s) {
			err = errNotText
		}
		return s, err
	}
	texts := make([]string, len(m.keyAt))
	for i, n := range m.keyAt {
		s, err := keyText(at(row, n))
		if err != nil {
			return "", err
		}
		if !utf8.ValidString(s) {
			return "", errNotText
		}
		texts[i] = s
	}
	return joinTexts(texts)
}

// badKey returns the first column of the key whose value cannot be part of a key.
func (m *Mapper) badKey(row source.Row) string {
	for i, n := range m.keyAt {
		if _, err := keyText(at(row, n)); err != nil {
			return m.spec.Key[i]
		}
	}
	return m.spec.Key[0]
}

func at(row source.Row, i int) any {
	if i < 0 || i >= len(row.Values) {
		return nil
	}
	return row.Values[i]
}

func (m *Mapper) reject(row source.Row, key, field, reason string) *source.Reject {
	return &source.Reject{Line: row.Line, Key: key, Field: field, Reason: reason, Raw: row.Map()}
}

func (m *Mapper) deleted(row source.Row) bool {
	if m.deletedAt < 0 {
		return false
	}
	have := at(row, m.deletedAt)
	if _, ok := m.spec.DeletedEquals.(bool); ok && have != nil {
		if _, err := asBool(have); err == nil {
			m.mark.addBool(have)
		}
	}
	return lenientlyEqual(have, m.spec.DeletedEquals)
}

// lenientlyEqual reports whether two values are equal or one is the text of the other.
// In a CSV file, for example, the value true is text.
func lenientlyEqual(have, want any) bool {
	if b, ok := want.(bool); ok {
		got, err := asBool(have)
		return err == nil && got == b
	}
	x, errX := keyText(have)
	y, errY := keyText(want)
	return errX == nil && errY == nil && x == y || errX != nil && errY != nil && have == nil && want == nil
}

func (m *Mapper) externalIDs(row source.Row) map[string]string {
	ids := make(map[string]string, len(m.def.ExternalIDs))
	for name, column := range m.def.ExternalIDs {
		v, _ := row.Get(column)
		if s, err := keyText(v); err == nil && utf8.ValidString(s) {
			ids[name] = s
		}
	}
	return ids
}

// value returns the value that the field comes from, not yet converted.
func (f *compiled) value(row source.Row) any {
	v := at(row, f.at)
	for _, p := range f.path {
		inner, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = inner[p]
	}
	return v
}

// appendValue appends the field's JSON. It reports false if the row has no value for the
// field. An empty text counts as no value, except for a text field that is not required.
func (f *compiled) appendValue(b []byte, row source.Row) (_ []byte, there bool, err error) {
	switch {
	case f.bad != nil:
		return nil, false, fmt.Errorf("the name %w", f.bad)
	case f.constant != nil:
		return append(b, f.constant...), true, nil
	case f.eval != nil:
		v, err := f.eval(row)
		if err != nil {
			return nil, false, err
		}
		return f.appendFrom(b, v)
	}
	v := f.value(row)
	if b, there, err = f.appendFrom(b, v); there && err == nil {
		f.note(v)
	}
	return b, there, err
}

// appendFrom appends the JSON of a value that the field comes from.
func (f *compiled) appendFrom(b []byte, v any) (_ []byte, there bool, err error) {
	if v == nil || v == "" && f.Type != "string" && f.Type != "" || v == "" && f.Required {
		return nil, false, nil
	}
	b, err = f.convert(b, v)
	return b, true, err
}

func (f *compiled) convert(b []byte, v any) ([]byte, error) {
	switch f.Type {
	case "number", "integer":
		plain, err := f.point(v)
		if err != nil {
			return nil, err
		}
		if f.Type == "integer" {
			b, err = appendInteger(b, plain)
		} else {
			b, err = appendNumber(b, plain)
		}
		return b, f.decimalHint(v, err)
	case "bool":
		t, err := asBool(v)
		return strconv.AppendBool(b, t), err
	case "time":
		t, err := asTime(v, f.Format, f.zone)
		for i := 0; err != nil && i < len(f.Formats); i++ {
			if other, bad := asTime(v, f.Formats[i], f.zone); bad == nil {
				t, err = other, nil
			}
		}
		if err != nil {
			return nil, err
		}
		b = append(b, '"')
		return append(t.AppendFormat(b, time.RFC3339Nano), '"'), nil
	case "json":
		s, ok := v.(string)
		if !ok {
			return record.AppendCanonical(b, plainTime(v))
		}
		out, err := record.AppendCanonical(b, json.RawMessage(s))
		if err != nil {
			return nil, fmt.Errorf("%.40q is not JSON", s)
		}
		return out, nil
	case "string":
		s, err := keyText(v)
		if errors.Is(err, errEmptyKey) {
			s, err = "", nil
		}
		if err != nil {
			return nil, errors.New("is not text")
		}
		return appendText(b, s)
	default:
		if s, ok := v.(string); ok {
			return appendText(b, s)
		}
		return record.AppendCanonical(b, plainTime(v))
	}
}
