package sqlsource

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/headgate/headgate/internal/platform/decode"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/source"
)

// column describes one column of a table.
type column struct {
	name string
	kind columnKind
	typ  string // the database's name of the type
	oid  uint32 // PostgreSQL's number of the type
	// cast is how SQL names the type, where postgres looked it up; delimiter and elementOID
	// are those of an array.
	cast       string
	delimiter  byte
	elementOID uint32
	// digits is the number of decimals of MySQL's exact numbers and of a time's seconds;
	// -1: not limited.
	digits int
	style  timeStyle // form of the times, for SQLite
	// zone is that of the times written to a column without zones; nil: UTC.
	zone *time.Location
}

// clock returns a time as the column's clocks show it.
func (c column) clock(t time.Time) time.Time {
	if t.Location() == source.Zoneless || c.zone == nil {
		return t.UTC()
	}
	return t.In(c.zone)
}

// date returns the date that the column gets for a time.
func (c column) date(t time.Time) string {
	if t.Location() == source.Zoneless {
		return t.Format(dateLayout)
	}
	return source.DateIn(t, c.zone)
}

// columnKind groups the types of columns that are read and written in the same way.
type columnKind int

const (
	kindText columnKind = iota
	kindInteger
	kindDecimal // exact
	kindFloat
	kindFloat32
	kindBool
	kindInstant // a time with a zone
	kindLocal   // a date and time without a zone
	kindDate
	kindJSON
	kindBytes
	kindArray
	kindOther // read as text
	kindRaw   // bound exactly as it was read
)

func (k columnKind) isTime() bool { return k == kindInstant || k == kindLocal || k == kindDate }

const (
	localLayout = "2006-01-02 15:04:05.999999"
	dateLayout  = "2006-01-02"
)

// The forms of times that people and databases write.
var (
	localLayouts = []string{"2006-01-02 15:04:05.999999999", "2006-01-02T15:04:05.999999999", "2006-01-02T15:04", "2006-01-02 15:04", dateLayout}
	zonedLayouts = []string{time.RFC3339Nano, "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999Z07", "2006-01-02 15:04:05.999999999 Z07:00"}
)

// parseTime reads a time. One without a zone is zoneless.
func parseTime(s string) (time.Time, bool) {
	for _, layout := range localLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			return source.WithoutZone(t), true
		}
	}
	for _, layout := range zonedLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

// number returns a number of a column that holds times as numbers, as a time if it is one.
func (c column) number(v any) any {
	if c.style.isNumber() {
		switch n := v.(type) {
		case int64:
			return c.style.fromNumber(float64(n))
		case float64:
			return c.style.fromNumber(n)
		}
	}
	return v
}

// timeOf returns a value as a time and reports whether it is one.
func timeOf(v any) (time.Time, bool) {
	switch v := v.(type) {
	case time.Time:
		return v, true
	case string:
		return parseTime(v)
	}
	return time.Time{}, false
}

// timeColumn implements engine.cursor for the databases whose columns have types.
func timeColumn(t *table, c column) (column, error) {
	if !c.kind.isTime() {
		return c, fault.New(fault.Invalid, "the cursor column %s of %s is %s, not a time", c.name, t.name, c.typ)
	}
	return c, nil
}

// sinceTime implements engine.since for the databases whose columns have types.
func sinceTime(c column, at, clock time.Time, s *statement) (string, error) {
	if c.kind == kindLocal {
		at = clock
	}
	placeholder, err := s.value(c, at)
	return s.engine.quote(c.name) + " >= " + placeholder, err
}

// text returns a value as text, from which the same value is read again.
func text(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case json.Number:
		return v.String(), nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case int:
		return strconv.Itoa(v), nil
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	case bool:
		return strconv.FormatBool(v), nil
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano), nil
	case []any, map[string]any:
		return jsonText(v)
	}
	return "", fmt.Errorf("a %T cannot be stored", v)
}

func jsonText(v any) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return "", errors.New("cannot be written as JSON")
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// fromJSON reads JSON without losing a digit or altering a text.
func fromJSON(b []byte) (any, bool) {
	v, err := decode.Lossless(b)
	return v, err == nil
}

// fromFloat returns infinities and NaN as text, because JSON has no numbers for them. The
// row stays valid, since a mapping may not use the column.
func fromFloat(f float64) any {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	}
	return f
}

// fromFloat32 returns the number with the digits that the database shows: 0.1 and not
// 0.10000000149.
func fromFloat32(f float32) any {
	v, err := strconv.ParseFloat(strconv.FormatFloat(float64(f), 'g', -1, 32), 64)
	if err != nil {
		return fromFloat(float64(f))
	}
	return fromFloat(v)
}

// fromDecimal keeps every digit. It drops the zeros in front, which MySQL's ZEROFILL writes
// and JSON does not have.
func fromDecimal(s string) any {
	for len(s) > 1 && s[0] == '0' && s[1] != '.' {
		s = s[1:]
	}
	if s == "" || s[0] != '-' && (s[0] < '0' || s[0] > '9') || s == "-Infinity" {
		return s // NaN and the infinities
	}
	return json.Number(s)
}

var errNotUTF8 = errors.New("the text is not valid UTF-8")

func fromText(name, s string) (any, error) {
	if !utf8.ValidString(s) {
		return s, &badValue{column: name, reason: errNotUTF8.Error()}
	}
	return s, nil
}

func fromBytes(b []byte) any { return base64.StdEncoding.EncodeToString(b) }

// toBytes reverses fromBytes.
func toBytes(v any) ([]byte, error) {
	s, ok := v.(string)
	if !ok {
		return nil, errors.New("bytes are written as base64")
	}
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return nil, errors.New("the text is not base64")
	}
	return b, nil
}

// toBool reads the values that sources use for true and false.
func toBool(v any) (bool, error) {
	switch v := v.(type) {
	case bool:
		return v, nil
	case int64:
		return v != 0, nil
	case float64:
		return v != 0, nil
	case json.Number:
		return v.String() != "0", nil
	case string:
		if b, err := strconv.ParseBool(v); err == nil {
			return b, nil
		}
	}
	return false, fmt.Errorf("%v is neither true nor false", v)
}

// describeKey returns a key as one string.
func describeKey(values []any) string {
	if len(values) == 1 {
		s, err := text(values[0])
		if err != nil {
			return ""
		}
		return s
	}
	s, err := jsonText(values)
	if err != nil {
		return ""
	}
	return s
}
