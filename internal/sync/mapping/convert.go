package mapping

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/headgate/headgate/internal/record"
	"github.com/headgate/headgate/internal/sync/source"
)

// errNotText is about a text that a record cannot hold.
var errNotText = errors.New("is not UTF-8, or has half a surrogate pair")

func appendText(b []byte, s string) ([]byte, error) {
	out, err := record.AppendString(b, s)
	if err != nil {
		return nil, errNotText
	}
	return out, nil
}

// plainTime replaces the times in a value by their text of RFC 3339, as JSON has no times.
func plainTime(v any) any {
	switch v := v.(type) {
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano)
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = plainTime(x)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, x := range v {
			out[k] = plainTime(x)
		}
		return out
	}
	return v
}

// decimal reports whether s holds only characters of a decimal number. ParseFloat also
// accepts hexadecimal numbers, underscores, infinities and NaN, which records refuse.
func decimal(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case '0' <= c && c <= '9', c == '.', c == '-', c == '+', c == 'e', c == 'E':
		default:
			return false
		}
	}
	return s != ""
}

func appendNumber(b []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case int64, float64, json.Number:
		return record.AppendCanonical(b, v)
	case string:
		s := strings.TrimSpace(v)
		if i, err := strconv.ParseInt(s, 10, 64); err == nil {
			return strconv.AppendInt(b, i, 10), nil
		}
		f, err := strconv.ParseFloat(s, 64)
		if err != nil || !decimal(s) || math.IsInf(f, 0) {
			return nil, fmt.Errorf("%.40q is not a number", v)
		}
		if len(s) > 15 { // a float64 keeps 15 digits for certain
			out, err := record.AppendCanonical(b, jsonNumber(s)) // keeps every digit
			if err != nil {
				return nil, fmt.Errorf("%.40q is not a number that a record can hold", v)
			}
			return out, nil
		}
		return record.AppendCanonical(b, f)
	}
	return nil, fmt.Errorf("%s is not a number", describe(v))
}

// jsonNumber spells a decimal number as JSON does: without a plus, without leading zeros, and
// with digits on both sides of the point.
func jsonNumber(s string) json.Number {
	sign := ""
	if rest, ok := strings.CutPrefix(s, "-"); ok {
		sign, s = "-", rest
	}
	s = strings.TrimPrefix(s, "+")
	mantissa, exponent := s, ""
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		mantissa, exponent = s[:i], s[i:]
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	if whole = strings.TrimLeft(whole, "0"); whole == "" {
		whole = "0"
	}
	if fraction != "" {
		fraction = "." + fraction
	}
	return json.Number(sign + whole + fraction + exponent)
}

func appendInteger(b []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case int64:
		return strconv.AppendInt(b, v, 10), nil
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			return strconv.AppendInt(b, int64(v), 10), nil
		}
	case json.Number:
		return appendInteger(b, v.String())
	case string:
		s := strings.TrimSpace(v)
		if i, err := strconv.ParseInt(s, 10, 64); err == nil {
			return strconv.AppendInt(b, i, 10), nil
		}
		if f, err := strconv.ParseFloat(s, 64); err == nil && decimal(s) {
			if !strings.ContainsAny(s, ".eE") { // it has more digits than an int64 holds
				return record.AppendCanonical(b, jsonNumber(s))
			}
			return appendInteger(b, f)
		}
	}
	return nil, fmt.Errorf("%s is not an integer", describe(v))
}

func asBool(v any) (bool, error) {
	switch v := v.(type) {
	case bool:
		return v, nil
	case int64:
		if v == 0 || v == 1 {
			return v == 1, nil
		}
	case float64:
		if v == 0 || v == 1 {
			return v == 1, nil
		}
	case json.Number:
		return asBool(v.String())
	case string:
		switch strings.ToLower(strings.TrimSpace(v)) {
		case "true", "t", "yes", "y", "1":
			return true, nil
		case "false", "f", "no", "n", "0":
			return false, nil
		}
	}
	return false, fmt.Errorf("%s is neither true nor false", describe(v))
}

// layouts lists the layouts that are tried if the definition has no format.
var layouts = []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", time.DateOnly}

// namedFormats are the formats that are no layouts.
var namedFormats = []string{"rfc3339", "date", "unix", "unixms"}

// asTime reads a time. The zone is that of a time that names none. A date without a time of
// day is midnight UTC in every zone, or it would be another date for people; only a layout
// of the definition makes it midnight in the zone. asTime refuses years that RFC 3339 cannot write, because the record
// would hold a text that nobody can read as a time again.
func asTime(v any, format string, zone *time.Location) (time.Time, error) {
	t, err := readTime(v, format, zone)
	if err != nil {
		return time.Time{}, err
	}
	t = t.UTC()
	if y := t.Year(); y < 0 || y > 9999 {
		return time.Time{}, fmt.Errorf("%s is not a time of the years 0 to 9999", describe(v))
	}
	return t, nil
}

// changedAt returns the time of the row's last change, or zero if the row has none that can
// be read.
func (m *Mapper) changedAt(row source.Row) time.Time {
	v := m.changed.value(row)
	m.cursors.Rows++
	if v == nil || v == "" {
		m.cursors.Empty++
		return time.Time{}
	}
	t, ok := m.readCursor(v)
	if !ok {
		if m.cursors.Unread == 0 {
			m.cursors.Example = describe(v)
		}
		m.cursors.Unread++
	}
	return t
}

// readCursor reads a value of the cursor's column. If a field is mapped from the same
// column, its format applies.
func (m *Mapper) readCursor(v any) (time.Time, bool) {
	zone := cmp.Or(m.spec.CursorZone, m.ownZone)
	for i := range m.fields {
		if f := &m.fields[i]; f.From == m.spec.CursorTime && f.Type == "time" && f.Format != "" {
			if t, err := asTime(v, f.Format, cmp.Or(zone, f.zone)); err == nil {
				return t, true
			}
		}
	}
	return source.Instant(v, zone)
}

func readTime(v any, format string, zone *time.Location) (time.Time, error) {
	switch v := v.(type) {
	case time.Time:
		return source.InZone(v, zone), nil
	case int64:
		return unixTime(v, format)
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			return unixTime(int64(v), format)
		}
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return unixTime(i, format)
		}
	case string:
		return parseTime(strings.TrimSpace(v), format, zone)
	}
	return time.Time{}, fmt.Errorf("%s is not a time", describe(v))
}

func unixTime(n int64, format string) (time.Time, error) {
	switch format {
	case "unix":
		return time.Unix(n, 0), nil
	case "unixms":
		return time.UnixMilli(n), nil
	}
	return time.Time{}, fmt.Errorf("%d is not a time: set format to unix or unixms to read a number as one", n)
}

func parseTime(s, format string, zone *time.Location) (time.Time, error) {
	try := layouts
	switch format {
	case "":
	case "rfc3339":
		try = layouts[:1]
	case "date":
		try = layouts[3:]
	case "unix", "unixms":
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return time.Time{}, fmt.Errorf("%.40q is not a number of seconds or milliseconds", s)
		}
		return unixTime(n, format)
	default:
		t, err := time.ParseInLocation(format, s, zone)
		if err != nil {
			return time.Time{}, fmt.Errorf("%.40q is not a time of the format %s", s, format)
		}
		if fabricated(t, format, zone) {
			return time.Time{}, fmt.Errorf("%.40q names a zone that %s does not have", s, zone)
		}
		return t, nil
	}
	for _, layout := range try {
		t, err := time.Parse(layout, s)
		switch {
		case err != nil:
		case layout == time.RFC3339Nano || layout == time.DateOnly:
			return t, nil
		default:
			return source.InZone(source.WithoutZone(t), zone), nil
		}
	}
	return time.Time{}, fmt.Errorf("%.40q is not a time of the format %s", s, cmp.Or(format, "rfc3339 or date"))
}

// fabricated reports whether package time made up the zone of t. It does so for an
// abbreviation that the location does not have, and then reads the clock as UTC: the
// time would be hours wrong, and nobody would notice.
func fabricated(t time.Time, layout string, zone *time.Location) bool {
	if !strings.Contains(layout, "MST") || strings.Contains(layout, "-07") || strings.Contains(layout, "Z07") {
		return false
	}
	name, _ := t.Zone()
	return t.Location() != zone && t.Location() != time.UTC && name != "GMT"
}

func describe(v any) string {
	switch v := v.(type) {
	case string:
		return fmt.Sprintf("%.40q", v)
	case map[string]any:
		return "an object"
	case []any:
		return "an array"
	default:
		return fmt.Sprint(v)
	}
}
