package sqlsource

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/headgate/headgate/internal/sync/source"
)

// value reads a value of both protocols. A query without arguments uses the text protocol,
// in which numbers are text.
func (m *mySQL) value(c column, v any) (any, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case int64:
		return v, nil
	case uint64:
		return json.Number(strconv.FormatUint(v, 10)), nil
	case float32:
		return fromFloat32(v), nil
	case float64:
		if c.kind == kindFloat32 {
			return fromFloat32(float32(v)), nil
		}
		return fromFloat(v), nil
	case []byte:
		return m.bytes(c, v)
	case string:
		return m.bytes(c, []byte(v))
	}
	return nil, &badValue{column: c.name, reason: fmt.Sprintf("cannot be read as a %T", v)}
}

func (m *mySQL) bytes(c column, b []byte) (any, error) {
	switch c.kind {
	case kindInteger:
		if c.typ == "bit" {
			return fromBits(b), nil
		}
		if n, err := strconv.ParseInt(string(b), 10, 64); err == nil {
			return n, nil
		}
		return json.Number(b), nil
	case kindDecimal:
		return fromDecimal(string(b)), nil
	case kindFloat, kindFloat32:
		f, err := strconv.ParseFloat(string(b), 64)
		if err != nil {
			return string(b), nil
		}
		return fromFloat(f), nil
	case kindLocal:
		if t, ok := parseTime(string(b)); ok {
			return t, nil
		}
		return string(b), nil // such as 0000-00-00, which is no date elsewhere
	case kindInstant: // the server writes it in the session's zone
		if t, ok := parseTime(string(b)); ok {
			return source.InZone(t, m.session.zone()), nil
		}
		return string(b), nil
	case kindBool: // BIT
		if len(b) == 1 && b[0] <= 1 {
			return b[0] == 1, nil
		}
		return fromBits(b), nil
	case kindBytes:
		return fromBytes(b), nil
	case kindJSON:
		if v, ok := fromJSON(b); ok {
			return v, nil
		}
	}
	return fromText(c.name, string(b))
}

func (m *mySQL) bind(c column, v any) (any, error) {
	if v == nil {
		return nil, nil
	}
	switch c.kind {
	case kindInteger, kindBool:
		return mySQLInteger(v)
	case kindDecimal:
		if b, ok := v.(bool); ok {
			return mySQLInteger(b)
		}
	case kindFloat, kindFloat32:
		return mySQLFloat(c, v)
	case kindLocal, kindDate, kindInstant:
		if t, ok := timeOf(v); ok && c.digits >= 0 {
			unit := time.Second
			for range c.digits {
				unit /= 10
			}
			v = t.Round(unit) // MySQL rounds in the same way when it stores the time
		}
		if t, ok := timeOf(v); ok && c.kind == kindInstant {
			return t.In(m.session.zone()).Format(localLayout), nil
		}
		return localText(c, v)
	case kindJSON:
		return jsonText(v)
	case kindBytes:
		return toBytes(v)
	}
	return text(v)
}

func mySQLInteger(v any) (any, error) {
	switch v := v.(type) {
	case int64:
		return v, nil
	case bool:
		if v {
			return int64(1), nil
		}
		return int64(0), nil
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n, nil
		}
		if n, err := strconv.ParseUint(v.String(), 10, 64); err == nil {
			return n, nil
		}
	case string:
		if b, err := strconv.ParseBool(v); err == nil {
			return mySQLInteger(b)
		}
	}
	return text(v)
}

func mySQLFloat(c column, v any) (any, error) {
	s, err := text(v)
	if err != nil {
		return nil, err
	}
	if c.kind == kindFloat32 {
		// The server compares a FLOAT as a double, so the placeholder needs the stored
		// value to its last bit.
		if f, err := strconv.ParseFloat(s, 32); err == nil {
			return f, nil
		}
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		return f, nil
	}
	return s, nil
}
