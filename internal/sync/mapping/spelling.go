package mapping

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/headgate/headgate/internal/record"
)

// A mapping reads one value from many spellings: "Y", "yes" and 1 are all true, and a time
// can be written in several layouts. A push has to write the value as the source's programs
// write it, because they may not read another spelling. So Map notes the forms that it
// sees, and Unmap writes a value in the first of them that reads back as the same value. A
// value that none of the forms can hold is written in a form of the mapping's own.

// Spelling holds the forms of the values that a pull saw, by field. The form of a bool is its
// JSON, that of a time its layout, and that of another value its kind: text, number or bool.
// The field "" is the mark of deleted rows.
type Spelling map[string][]string

// maxForms bounds the forms of a field. Later ones are not noted.
const maxForms = 8

const (
	formText   = "text"
	formNumber = "number"
	formBool   = "bool"
	formOther  = "value" // a time, a list or an object, as the source's driver returns it
)

var kindForms = map[string]bool{formText: true, formNumber: true, formBool: true, formOther: true}

// forms notes the forms of one field.
type forms struct {
	list []string
	last any  // the bool that was noted last; most rows repeat it
	news bool // list changed since Spelling was called
}

func (s *forms) add(form string) {
	if len(s.list) < maxForms && !slices.Contains(s.list, form) {
		s.list, s.news = slices.Insert(s.list, 0, form), true
	}
}

func (s *forms) addBool(v any) {
	if text, ok := v.(string); ok {
		v = strings.TrimSpace(text)
	}
	if v == s.last {
		return
	}
	if b, err := record.Canonical(v); err == nil {
		s.last = v
		s.add(string(b))
	}
}

// note notes the form of a value that the field was read from.
func (f *compiled) note(v any) {
	switch f.Type {
	case "":
	case "bool":
		f.seen.addBool(v)
	case "time":
		if form := timeForm(v, f.Format); form != "" {
			f.seen.add(form)
		}
	default:
		f.seen.add(kindForm(v))
	}
}

func kindForm(v any) string {
	switch v.(type) {
	case string:
		return formText
	case int64, float64, json.Number:
		return formNumber
	case bool:
		return formBool
	}
	return formOther
}

// timeForm returns the layout of a time without a format, or the kind of a number of
// seconds. It returns "" where the format alone says how a time is written.
func timeForm(v any, format string) string {
	if _, ok := v.(time.Time); ok {
		return formOther
	}
	s, ok := v.(string)
	switch {
	case format == "unix" || format == "unixms":
		return kindForm(v)
	case format != "":
		return ""
	case !ok:
		return kindForm(v)
	}
	// The time was read in one of a few layouts, which their shape tells apart.
	switch s = strings.TrimSpace(s); {
	case len(s) == len("2006-01-02"):
		return "2006-01-02"
	case len(s) < len("2006-01-02T15:04:05"):
		return ""
	case s[10] == ' ':
		return "2006-01-02 15:04:05.999999999"
	case strings.ContainsAny(s[19:], "Z+-"):
		return time.RFC3339Nano
	}
	return "2006-01-02T15:04:05.999999999"
}

// Spelling returns all forms if Map saw a new one since the last call, and otherwise nil.
func (m *Mapper) Spelling() Spelling {
	news := m.mark.news
	m.mark.news = false
	for i := range m.fields {
		news, m.fields[i].seen.news = news || m.fields[i].seen.news, false
	}
	if !news {
		return nil
	}
	out := make(Spelling)
	if len(m.mark.list) > 0 {
		out[""] = slices.Clone(m.mark.list)
	}
	for i := range m.fields {
		if f := &m.fields[i]; len(f.seen.list) > 0 {
			out[f.name] = slices.Clone(f.seen.list)
		}
	}
	return out
}

// Spell sets the forms that earlier pulls saw.
func (m *Mapper) Spell(s Spelling) {
	m.mark = forms{list: slices.Clone(s[""])}
	for i := range m.fields {
		m.fields[i].seen = forms{list: slices.Clone(s[m.fields[i].name])}
	}
}

// spell returns a value of the record as the source spells it.
func (f *compiled) spell(v any) (any, error) {
	switch b, isBool := v.(bool); {
	case v == nil || len(f.seen.list) == 0 && f.Type != "time" && f.Type != "json" && f.Decimal == "":
		return v, nil
	case f.Type == "time":
		t, err := asTime(v, "", time.UTC)
		if err != nil {
			return nil, err
		}
		return f.spellTime(t), nil
	case f.Type == "bool" && isBool:
		return f.seen.spellBool(b), nil
	}
	value, err := record.Canonical(v)
	if err != nil {
		return nil, err
	}
	list := f.seen.list
	if f.Type == "json" { // a text as it is would be read as JSON
		list = append(slices.Clone(list), formOther, formText)
	}
	if f.Decimal != "" && len(list) == 0 { // its column is of texts
		list = []string{formText}
	}
	for _, form := range list {
		w, ok := f.inForm(form, v)
		if !ok {
			continue
		}
		if again, there, err := f.appendFrom(nil, w); err == nil && there && bytes.Equal(again, value) {
			return w, nil
		}
	}
	return v, nil
}

// inForm returns the value in the form, or false if that form cannot hold it.
func (f *compiled) inForm(form string, v any) (any, bool) {
	text, isText := v.(string)
	switch f.Type {
	case "json":
		if form != formText {
			return v, true
		}
		b, err := record.Canonical(v)
		return string(b), err == nil
	case "string":
		switch {
		case !isText:
		case form == formNumber && json.Valid([]byte(text)) && decimal(text):
			return json.Number(text), true
		case form == formBool && (text == "true" || text == "false"):
			return text == "true", true
		case form == formText || form == formOther:
			return v, true
		}
	case "number", "integer":
		switch {
		case isText:
		case form == formText:
			b, err := appendNumber(nil, v)
			if f.Decimal != "" {
				b = bytes.Replace(b, []byte("."), []byte(f.Decimal), 1)
			}
			return string(b), err == nil
		case form == formNumber:
			return v, true
		}
	}
	return nil, false
}

// spellTime returns the time in the field's format. Without one it returns it in the first
// form that holds all of it, else in RFC 3339.
func (f *compiled) spellTime(t time.Time) any {
	usual := formatTime(t, f.Format, f.zone)
	for _, form := range f.seen.list {
		n, isNumber := usual.(int64)
		switch {
		case form == formOther && f.Format != "": // a column of times, whose form the driver knows
			return t
		case isNumber && form == formText:
			return strconv.FormatInt(n, 10)
		case f.Format != "", form == time.RFC3339Nano, kindForms[form]:
			return usual
		}
		text := t.In(f.zone).Format(form)
		if again, err := asTime(text, "", f.zone); err == nil && again.Equal(t) {
			return text
		}
	}
	return usual
}

// words holds the pairs of words for true and false.
var words = map[string]string{"true": "false", "t": "f", "yes": "no", "y": "n", "1": "0"}

// opposite returns the word of the same pair for the other value, in the same case.
func opposite(word string) (string, bool) {
	lower := strings.ToLower(word)
	other, ok := words[lower]
	for yes, no := range words {
		if no == lower {
			other, ok = yes, true
		}
	}
	switch {
	case !ok:
		return "", false
	case word == lower:
		return other, true
	case word == strings.ToUpper(word):
		return strings.ToUpper(other), true
	default:
		return strings.ToUpper(other[:1]) + other[1:], true
	}
}

// spellBool returns a form of the value that was seen, or else the counterpart of a form of
// the other value.
func (s *forms) spellBool(v bool) any {
	counterpart := any(nil)
	for _, form := range s.list {
		var raw any
		d := json.NewDecoder(strings.NewReader(form))
		d.UseNumber()
		if d.Decode(&raw) != nil {
			continue
		}
		switch b, err := asBool(raw); {
		case err != nil || b != v && counterpart != nil:
			continue
		case b == v:
			return record.Plain(raw)
		}
		switch w := raw.(type) {
		case string:
			if o, ok := opposite(w); ok {
				counterpart = o
			}
		case json.Number:
			counterpart = int64(0)
			if v {
				counterpart = int64(1)
			}
		case bool:
			counterpart = v
		}
	}
	if counterpart == nil {
		return v
	}
	return counterpart
}

// same reports whether the field reads the same from both values.
func (f *compiled) same(a, b any) bool {
	x, hasX, errX := f.appendFrom(nil, a)
	y, hasY, errY := f.appendFrom(nil, b)
	return errX == nil && errY == nil && hasX == hasY && bytes.Equal(x, y)
}

// Same implements the Same of a [source.Spec]: it compares what the column's fields read.
func (m *Mapper) Same(column string, a, b any) bool {
	mapped := false
	for i := range m.fields {
		if f := &m.fields[i]; f.From == column {
			if mapped = true; !f.same(a, b) {
				return false
			}
		}
	}
	return mapped || new(compiled).same(a, b)
}
