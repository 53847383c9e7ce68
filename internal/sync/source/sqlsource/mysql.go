package sqlsource

import (
	"context"
	"crypto/tls"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/source"
)

// mySQL is the engine for MySQL and MariaDB.
type mySQL struct {
	standard
}

func openMySQL(o options, tls *tls.Config, env source.Env) (engine, error) {
	c := mysql.NewConfig()
	c.User, c.Passwd, c.Net = withDefault(o.user, "root"), o.effectivePassword, "tcp"
	c.Addr, c.DBName = net.JoinHostPort(o.host, withDefault(o.port, "3306")), o.database
	if o.Schema != "" {
		c.DBName = o.Schema
	}
	c.TLS, c.Timeout = tls, connectTimeout
	c.DialFunc = metering(dialer(env))
	c.ClientFoundRows = true           // count found rows: an UPDATE to the same values found its row
	c.AllowCleartextPasswords = false  // a false server could ask for the password
	c.AllowNativePasswords = true      // MariaDB's default
	c.Collation = "utf8mb4_general_ci" // known to all versions
	c.Logger = &mysql.NopLogger{}      // the driver returns its errors as well
	c.Params = map[string]string{      // settings of the session
		"time_zone":         "'+00:00'",
		"sql_mode":          "CONCAT(@@sql_mode, ',STRICT_ALL_TABLES')", // refuse a value that does not fit instead of cutting it
		"net_write_timeout": "3600",                                     // the caller may take long to apply a page
	}
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, fault.New(fault.Invalid, "url: MySQL cannot be set up with it")
	}
	m := &mySQL{standard: standard{db: sql.OpenDB(&metered{connector}), value: mySQLValue}}
	m.db.SetMaxOpenConns(maxConnections)
	m.db.SetConnMaxIdleTime(time.Minute)
	return m, nil
}

func (m *mySQL) release() error { return m.db.Close() }

func (m *mySQL) quote(id string) string { return "`" + strings.ReplaceAll(id, "`", "``") + "`" }

// placeholder casts the values that MySQL would otherwise compare as floats, without their
// last digits.
func (m *mySQL) placeholder(_ int, c column) string {
	if c.kind == kindDecimal {
		return "CAST(? AS DECIMAL(65, 30))"
	}
	return "?"
}

func (m *mySQL) cursor(_ context.Context, t *table, c column) (column, error) {
	return timeColumn(t, c)
}

func (m *mySQL) rowValues() bool    { return false } // MySQL uses no index for them
func (m *mySQL) rawPositions() bool { return false }
func (m *mySQL) buffered() int      { return 0 }

func (m *mySQL) abortsOnError() bool { return false }

// same compares text byte by byte. The column's collation may treat different texts as
// equal, and then a push would overwrite an edit that it has not seen.
func (m *mySQL) same(c column, placeholder string) string {
	switch c.kind {
	case kindText:
		return fmt.Sprintf("CONVERT(%s USING utf8mb4) COLLATE utf8mb4_bin <=> %s", m.quote(c.name), placeholder)
	case kindJSON:
		return fmt.Sprintf("%s <=> CAST(%s AS JSON)", m.quote(c.name), placeholder)
	}
	return m.quote(c.name) + " <=> " + placeholder
}

func (m *mySQL) since(c column, at time.Time, s *statement) (string, error) {
	placeholder, err := s.value(c, at)
	return m.quote(c.name) + " >= " + placeholder, err
}

func (*mySQL) locking() string { return " FOR UPDATE" }

// ignoring returns false. INSERT IGNORE would also accept rows with invalid values.
func (m *mySQL) ignoring(...column) (string, bool) { return "", false }

// single lets the server's parser decide: without multiStatements, it prepares only a text
// that is one statement.
func (m *mySQL) single(ctx context.Context, query string) error {
	return m.reading(ctx, func(tx *sql.Tx) error {
		s, err := tx.PrepareContext(ctx, query)
		if err != nil {
			return err
		}
		return s.Close()
	})
}

func (m *mySQL) describe(ctx context.Context, from string) ([]column, error) {
	var types []*sql.ColumnType
	err := m.reading(ctx, func(tx *sql.Tx) (err error) {
		types, err = m.types(ctx, tx, from)
		return err
	})
	if err != nil {
		return nil, err
	}
	columns := make([]column, len(types))
	for i, t := range types {
		c := column{name: t.Name(), typ: strings.ToLower(t.DatabaseTypeName()), digits: -1}
		c.kind = mySQLKind(strings.TrimPrefix(t.DatabaseTypeName(), "UNSIGNED "))
		if _, scale, ok := t.DecimalSize(); ok && c.kind == kindLocal && scale <= 6 {
			c.digits = int(scale)
		}
		columns[i] = c
	}
	return columns, nil
}

func mySQLKind(typ string) columnKind {
	switch typ {
	case "TINYINT", "SMALLINT", "MEDIUMINT", "INT", "BIGINT", "YEAR":
		return kindInteger
	case "DECIMAL":
		return kindDecimal
	case "FLOAT":
		return kindFloat32
	case "DOUBLE":
		return kindFloat
	case "DATETIME", "TIMESTAMP":
		return kindLocal // the server writes a TIMESTAMP in the session's zone, which is UTC
	case "DATE":
		return kindDate
	case "JSON":
		return kindJSON
	case "BIT":
		return kindBool
	case "BLOB", "TINYBLOB", "MEDIUMBLOB", "LONGBLOB", "BINARY", "VARBINARY", "GEOMETRY":
		return kindBytes
	case "TIME":
		return kindOther
	}
	return kindText
}

// mySQLValue reads a value of both protocols. A query without arguments uses the text
// protocol, in which numbers are text.
func mySQLValue(c column, v any) (any, error) {
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
		return mySQLBytes(c, v)
	case string:
		return mySQLBytes(c, []byte(v))
	}
	return nil, &badValue{column: c.name, reason: fmt.Sprintf("cannot be read as a %T", v)}
}

func mySQLBytes(c column, b []byte) (any, error) {
	switch c.kind {
	case kindInteger:
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
	case kindBool: // BIT
		if len(b) == 1 && b[0] <= 1 {
			return b[0] == 1, nil
		}
		var n uint64
		for _, x := range b {
			n = n<<8 | uint64(x)
		}
		return int64(n), nil
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
			v = t.UTC().Round(unit) // MySQL rounds in the same way when it stores the time
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

func (m *mySQL) unique(ctx context.Context, t *table, columns []string) (bool, error) {
	r, err := m.db.QueryContext(ctx, "SHOW INDEX FROM "+t.from+" WHERE Non_unique = 0")
	if err != nil {
		return false, err
	}
	defer func() { _ = r.Close() }()
	names, err := r.Columns()
	if err != nil {
		return false, err
	}
	values, into := make([]sql.NullString, len(names)), make([]any, len(names))
	for i := range values {
		into[i] = &values[i]
	}
	key, name, part := slices.Index(names, "Key_name"), slices.Index(names, "Column_name"), slices.Index(names, "Sub_part")
	if key < 0 || name < 0 || part < 0 {
		return false, errors.New("SHOW INDEX answers in an unknown form")
	}
	indexes := map[string][]string{}
	for r.Next() {
		if err := r.Scan(into...); err != nil {
			return false, err
		}
		column := values[name].String
		if values[part].Valid || !values[name].Valid {
			column = "\x00" // the index covers a prefix of a column or an expression
		}
		indexes[values[key].String] = append(indexes[values[key].String], strings.ToLower(column))
	}
	return hasIndex(indexes, columns), r.Err()
}

// hasIndex reports whether an index covers exactly these columns, in any order.
func hasIndex(indexes map[string][]string, columns []string) bool {
	want := slices.Clone(columns)
	for i, c := range want {
		want[i] = strings.ToLower(c)
	}
	slices.Sort(want)
	for _, have := range indexes {
		slices.Sort(have)
		if slices.Equal(have, want) {
			return true
		}
	}
	return false
}

func (m *mySQL) clock(ctx context.Context) (time.Time, error) {
	var now string
	if err := m.db.QueryRowContext(ctx, "SELECT UTC_TIMESTAMP(6)").Scan(&now); err != nil {
		return time.Time{}, err
	}
	t, ok := parseTime(now)
	if !ok {
		return t, fmt.Errorf("the clock says %q", now)
	}
	return t, nil
}

func (m *mySQL) classify(err error) class {
	if errors.Is(err, errAnswerTooLong) {
		return tooLong
	}
	e, ok := errors.AsType[*mysql.MySQLError](err)
	if !ok {
		return unknown
	}
	switch e.Number {
	case 1146:
		return noTable
	case 1049: // no such database
		return wrong
	case 1062, 1586:
		return duplicate
	case 1364, 1366, 1406, 1264, 1265, 1292, 1048, 1451, 1452, 3819, 4025, 1644, 1690, 3140, 1411, 1416, 3105, 1906:
		return refusedRow
	case 1044, 1045, 1142, 1143, 1227, 1792: // 1792: a write in a read-only transaction
		return denied
	case 1969, 3024: // the time-outs of MariaDB and MySQL
		return tooSlow
	}
	switch string(e.SQLState[:2]) {
	case "22", "23", "45":
		return refusedRow
	case "28":
		return denied
	case "42":
		return wrong
	}
	return unknown
}

func (m *mySQL) explain(err error) string {
	e, ok := errors.AsType[*mysql.MySQLError](err)
	if !ok {
		return "the database refused it"
	}
	return e.Message
}
