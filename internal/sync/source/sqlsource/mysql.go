package sqlsource

import (
	"context"
	"crypto/tls"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/source"
)

// mySQL is the engine for MySQL and MariaDB.
type mySQL struct {
	standard
	session sessionZone
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
		"sql_mode":          "CONCAT(@@sql_mode, ',STRICT_ALL_TABLES')", // refuse a value that does not fit instead of cutting it
		"net_write_timeout": "3600",                                     // the caller may take long to apply a page
	}
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, fault.New(fault.Invalid, "url: MySQL cannot be set up with it")
	}
	m := &mySQL{}
	m.standard = standard{db: sql.OpenDB(&metered{connector, &m.session, o.wait.statement}), value: m.value}
	m.db.SetMaxOpenConns(maxConnections)
	m.db.SetConnMaxIdleTime(time.Minute)
	return m, nil
}

func (m *mySQL) release() error { return m.db.Close() }

func (m *mySQL) quote(id string) string { return "`" + strings.ReplaceAll(id, "`", "``") + "`" }

// placeholder casts the values that MySQL would otherwise compare as floats, without their
// last digits. The cast has the column's own number of decimals: with more, the longest
// numbers would not fit, and MySQL would compare with the largest number that does.
func (m *mySQL) placeholder(_ int, c column) string {
	if c.kind == kindDecimal {
		return fmt.Sprintf("CAST(? AS DECIMAL(65, %d))", c.digits)
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

func (m *mySQL) since(c column, at, clock time.Time, s *statement) (string, error) {
	return sinceTime(c, at, clock, s)
}

// missing leaves out zero dates, which IS NULL finds in a column that is NOT NULL.
func (m *mySQL) missing(c column) string {
	condition := m.quote(c.name) + " IS NULL"
	if c.kind.isTime() {
		condition = "(" + condition + " AND (" + m.quote(c.name) + " = 0) IS NOT TRUE)"
	}
	return condition
}

// unordered returns the condition for a zero date.
func (m *mySQL) unordered(c column) string { return m.quote(c.name) + " = 0" }

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
	var bits map[string]int
	err := m.reading(ctx, func(tx *sql.Tx) (err error) {
		if types, err = m.types(ctx, tx, from); err == nil {
			bits = bitWidths(ctx, tx, from, types)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	columns := make([]column, len(types))
	for i, t := range types {
		c := column{name: t.Name(), typ: strings.ToLower(t.DatabaseTypeName()), digits: -1}
		c.kind = mySQLKind(strings.TrimPrefix(t.DatabaseTypeName(), "UNSIGNED "))
		if bits[strings.ToLower(c.name)] > 1 {
			c.kind = kindInteger
		}
		if _, scale, ok := t.DecimalSize(); ok && ((c.kind == kindLocal || c.kind == kindInstant) && scale <= 6 || c.kind == kindDecimal) {
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
	case "DATETIME":
		return kindLocal
	case "TIMESTAMP":
		return kindInstant
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
	case 1045: // a wrong password, or a user that does not exist
		return login
	case 1044, 1142, 1143, 1227, 1792: // 1792: a write in a read-only transaction
		return denied
	case 1040, 1203, 1226: // too many connections, of all logins or of this one
		return full
	case 1969, 3024: // the time-outs of MariaDB and MySQL
		return tooSlow
	}
	switch string(e.SQLState[:2]) {
	case "22", "23", "45":
		return refusedRow
	case "28":
		return login
	case "42":
		return wrong
	}
	return unknown
}

func (m *mySQL) explain(err error) string {
	e, ok := errors.AsType[*mysql.MySQLError](err)
	if !ok {
		return notTold
	}
	return e.Message
}
