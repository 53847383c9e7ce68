package sqlsource

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/source"
)

// formats requests the binary format for types that it makes faster to read. All other
// types come as text, which is exact.
func formats(columns []column) pgx.QueryResultFormatsByOID {
	f := pgx.QueryResultFormatsByOID{}
	for _, c := range columns {
		switch c.oid {
		case pgtype.BoolOID, pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID, pgtype.Float4OID, pgtype.Float8OID,
			pgtype.TimestampOID, pgtype.TimestamptzOID, pgtype.DateOID, pgtype.ByteaOID:
			f[c.oid] = pgx.BinaryFormatCode
		}
	}
	return f
}

// postgresRows reads rows directly from the bytes of the protocol.
type postgresRows struct {
	rows    pgx.Rows
	columns []column
	types   *pgtype.Map
	checked bool
	bytes   int
}

func newPostgresRows(r pgx.Rows, columns []column) *postgresRows {
	return &postgresRows{rows: r, columns: columns, types: pgtype.NewMap()}
}

func (r *postgresRows) more() bool { return r.rows.Next() }
func (r *postgresRows) size() int  { return r.bytes }
func (r *postgresRows) err() error { return r.rows.Err() }
func (r *postgresRows) release()   { r.rows.Close() }

func (r *postgresRows) scan(dst []any) error {
	if !r.checked {
		if err := r.check(); err != nil {
			return err
		}
	}
	var bad error
	raw := r.rows.RawValues()
	r.bytes = 0
	for i, c := range r.columns {
		r.bytes += weight(c, len(raw[i]))
		v, err := r.value(c, raw[i])
		if err != nil && bad == nil {
			bad = &badValue{column: c.name, reason: err.Error()}
		}
		dst[i] = v
	}
	return bad
}

// check returns a fault if a column's type changed since the table was described. Its bytes
// would otherwise be read as another type.
func (r *postgresRows) check() error {
	for i, f := range r.rows.FieldDescriptions() {
		if c := r.columns[i]; c.oid != 0 && c.oid != f.DataTypeOID {
			return fault.New(fault.Unavailable, "the type of the column %s was changed meanwhile", c.name)
		}
	}
	r.checked = true
	return nil
}

func (r *postgresRows) value(c column, raw []byte) (any, error) {
	if raw == nil {
		return nil, nil
	}
	switch c.oid {
	case 0: // an expression of this package, as text
		return fromPostgresText(c, string(raw)), nil
	case pgtype.BoolOID:
		return raw[0] != 0, nil
	case pgtype.Int2OID:
		return int64(int16(binary.BigEndian.Uint16(raw))), nil
	case pgtype.Int4OID:
		return int64(int32(binary.BigEndian.Uint32(raw))), nil
	case pgtype.Int8OID:
		return int64(binary.BigEndian.Uint64(raw)), nil
	case pgtype.Float4OID:
		return fromFloat32(math.Float32frombits(binary.BigEndian.Uint32(raw))), nil
	case pgtype.Float8OID:
		return fromFloat(math.Float64frombits(binary.BigEndian.Uint64(raw))), nil
	case pgtype.TimestamptzOID:
		return postgresTime(int64(binary.BigEndian.Uint64(raw))), nil
	case pgtype.TimestampOID:
		v := postgresTime(int64(binary.BigEndian.Uint64(raw)))
		if t, ok := v.(time.Time); ok {
			return source.WithoutZone(t), nil
		}
		return v, nil
	case pgtype.DateOID:
		return postgresDate(int32(binary.BigEndian.Uint32(raw))), nil
	case pgtype.ByteaOID:
		return fromBytes(raw), nil
	case pgtype.NumericOID:
		return fromDecimal(string(raw)), nil
	case pgtype.OIDOID:
		return fromDecimal(string(raw)), nil
	case pgtype.JSONOID, pgtype.JSONBOID:
		if v, ok := fromJSON(raw); ok {
			return v, nil
		}
	}
	if c.kind == kindArray {
		return r.array(c, raw)
	}
	if c.oid == pgtype.BPCharOID {
		raw = bytes.TrimRight(raw, " ") // padding is no part of a CHAR's value
	}
	if !utf8.Valid(raw) { // possible in a database with the encoding SQL_ASCII
		return string(raw), errNotUTF8
	}
	return string(raw), nil
}

const (
	infinity         = "infinity"
	negativeInfinity = "-infinity"
)

// postgresTime converts microseconds since 2000. It returns infinities and years outside of
// RFC 3339 as text.
func postgresTime(us int64) any {
	switch us {
	case math.MaxInt64:
		return infinity
	case math.MinInt64:
		return negativeInfinity
	}
	t := time.Unix(946_684_800+us/1e6, us%1e6*1000).UTC()
	if y := t.Year(); y < 1 || y > 9999 {
		return postgresText(t, localLayout)
	}
	return t
}

func postgresDate(days int32) any {
	switch days {
	case math.MaxInt32:
		return infinity
	case math.MinInt32:
		return negativeInfinity
	}
	t := time.Unix(946_684_800+int64(days)*86_400, 0).UTC()
	if y := t.Year(); y < 1 || y > 9999 {
		return postgresText(t, dateLayout)
	}
	return t.Format(dateLayout)
}

// postgresText formats a time with the year as PostgreSQL writes it, which has no year 0.
func postgresText(t time.Time, layout string) string {
	if y := t.Year(); y < 1 {
		rest := t.Format(strings.TrimPrefix(layout, "2006"))
		return fmt.Sprintf("%04d%s BC", 1-y, rest)
	}
	return t.Format(layout)
}

// fromPostgresText reads one element of an array or an expression from its text.
func fromPostgresText(c column, s string) any {
	switch c.kind {
	case kindText:
		if c.oid == pgtype.BPCharOID {
			return strings.TrimRight(s, " ")
		}
	case kindInteger, kindDecimal, kindFloat, kindFloat32:
		if n, ok := fromJSON([]byte(s)); ok {
			if number, ok := n.(json.Number); ok {
				if i, err := number.Int64(); err == nil && c.kind == kindInteger {
					return i
				}
				if f, err := number.Float64(); err == nil && (c.kind == kindFloat || c.kind == kindFloat32) {
					return f
				}
				return number
			}
		}
	case kindBool:
		return s == "t"
	case kindInstant, kindLocal:
		if t, ok := parseTime(s); ok {
			return t
		}
	case kindJSON:
		if v, ok := fromJSON([]byte(s)); ok {
			return v
		}
	case kindBytes:
		if b, err := hex.DecodeString(strings.TrimPrefix(s, `\x`)); err == nil {
			return fromBytes(b)
		}
	}
	return s
}

// bind returns the value as text, which PostgreSQL converts to the column's type.
func (p *postgres) bind(c column, v any) (any, error) {
	if v == nil {
		return nil, nil
	}
	switch c.kind {
	case kindBool:
		b, err := toBool(v)
		if err != nil {
			return nil, err
		}
		return text(b)
	case kindInteger, kindDecimal, kindFloat, kindFloat32:
		if b, ok := v.(bool); ok {
			if b {
				return "1", nil
			}
			return "0", nil
		}
	case kindInstant:
		return text(v)
	case kindLocal, kindDate:
		return localText(c, v)
	case kindJSON:
		return jsonText(v)
	case kindBytes:
		b, err := toBytes(v)
		if err != nil {
			return nil, err
		}
		return `\x` + hex.EncodeToString(b), nil
	case kindArray:
		elements, ok := v.([]any)
		if !ok {
			return text(v)
		}
		var b strings.Builder
		err := writeArray(&b, c, elements)
		return b.String(), err
	}
	return text(v)
}

// localText returns a time by the column's clocks, without its zone.
func localText(c column, v any) (string, error) {
	t, ok := timeOf(v)
	switch {
	case !ok:
		return text(v)
	case c.kind == kindDate:
		return c.date(t), nil
	}
	return c.clock(t).Format(localLayout), nil
}

func writeArray(b *strings.Builder, c column, elements []any) error {
	b.WriteByte('{')
	for i, e := range elements {
		if i > 0 {
			b.WriteByte(cmp.Or(c.delimiter, ','))
		}
		switch e := e.(type) {
		case nil:
			b.WriteString("NULL")
			continue
		case []any:
			if c.isJSON() {
				break
			}
			if err := writeArray(b, c, e); err != nil {
				return err
			}
			continue
		}
		s, err := text(e)
		if c.isJSON() {
			s, err = jsonText(e)
		}
		if err != nil {
			return errors.New("an element cannot be stored")
		}
		b.WriteString(`"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`)
	}
	b.WriteByte('}')
	return nil
}
