package sqlsource

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/go-sql-driver/mysql"
)

// reading runs do in a read-only transaction, because the functions that a query calls may
// try to write (docs/decisions/011).
func (m *mySQL) reading(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := m.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	return do(tx)
}

func (m *mySQL) query(ctx context.Context, columns []column, query string, args ...any) (resultRows, error) {
	c, err := m.db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	out := &mySQLRead{conn: c}
	if out.meter, err = meterOf(c); err == nil {
		out.tx, err = c.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	}
	if err == nil {
		var found *sql.Rows
		if found, err = out.tx.QueryContext(ctx, query, args...); err == nil {
			out.resultRows = m.rowsOf(found, columns)
			return out, nil
		}
	}
	if out.meter != nil {
		err = out.meter.because(err)
	}
	out.release()
	return nil, err
}

// mySQLRead wraps the rows of a query and ends its transaction and connection with them.
type mySQLRead struct {
	resultRows
	meter *meter
	tx    *sql.Tx
	conn  *sql.Conn
}

func (r *mySQLRead) more() bool {
	r.meter.reset()
	return r.resultRows.more()
}

func (r *mySQLRead) err() error { return r.meter.because(r.resultRows.err()) }

func (r *mySQLRead) release() {
	if r.resultRows != nil {
		r.resultRows.release()
	}
	if r.tx != nil {
		_ = r.tx.Rollback()
	}
	_ = r.conn.Close()
}

// meter counts the bytes that a connection receives since the last command or row, and
// ends the connection if there are too many. The driver reads a row of any length into
// memory, and the server may belong to a stranger. The bytes are counted below TLS. The
// driver reads through a buffer, so the count may include parts of other rows.
type meter struct {
	read atomic.Int64
	over atomic.Bool
}

func (m *meter) reset() { m.read.Store(0) }

// because returns the reason why the meter ended the connection, or nil. The driver itself
// only reports a broken connection.
func (m *meter) because(err error) error {
	if err != nil && m.over.Load() {
		return errAnswerTooLong
	}
	return err
}

var errAnswerTooLong = errors.New("sqlsource: the server answers with more than may be read at once")

// slack is the number of bytes that buffers and TLS may add to a row.
const slack = 1 << 20

// metered is a driver.Connector that gives each connection a meter and each session its zone.
type metered struct {
	driver.Connector
	zone      *sessionZone
	statement time.Duration // the longest
}

// meteredSession is a connection with its meter. database/sql drops both together.
type meteredSession struct {
	session
	meter *meter
}

// session lists the methods that database/sql uses of the driver's connections.
type session interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.NamedValueChecker
	driver.Pinger
	driver.QueryerContext
	driver.SessionResetter
	driver.Validator
}

type meterKey struct{}

// Connect implements driver.Connector.
func (c *metered) Connect(ctx context.Context) (driver.Conn, error) {
	m := new(meter)
	conn, err := c.Connector.Connect(context.WithValue(ctx, meterKey{}, m))
	if err != nil {
		return nil, err
	}
	if err := errors.Join(limitTime(ctx, conn, c.statement), c.zone.begin(ctx, conn)); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	whole, ok := conn.(session)
	if !ok {
		return nil, errors.Join(errUnmetered, conn.Close())
	}
	return &meteredSession{session: whole, meter: m}, nil
}

var errUnmetered = errors.New("sqlsource: a connection has no meter")

// limitTime makes the server stop statements that take too long, in case this process can
// no longer do it. MariaDB and MySQL have different names for the setting.
func limitTime(ctx context.Context, conn driver.Conn, longest time.Duration) error {
	e, ok := conn.(driver.ExecerContext)
	if !ok {
		return errors.New("sqlsource: the driver cannot run statements")
	}
	_, err := e.ExecContext(ctx, fmt.Sprintf("SET SESSION max_statement_time = %g", longest.Seconds()), nil)
	if me, ok := errors.AsType[*mysql.MySQLError](err); ok && me.Number == 1193 { // the variable does not exist
		_, err = e.ExecContext(ctx, fmt.Sprintf("SET SESSION max_execution_time = %d", longest.Milliseconds()), nil)
	}
	return err
}

// meterOf returns the meter of a connection.
func meterOf(conn *sql.Conn) (m *meter, err error) {
	err = conn.Raw(func(raw any) error {
		s, ok := raw.(*meteredSession)
		if !ok {
			return errUnmetered
		}
		m = s.meter
		return nil
	})
	return m, err
}

// metering returns a dialer whose connections are counted by the meter in the context.
func metering(dial func(ctx context.Context, network, addr string) (net.Conn, error)) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		m, ok := ctx.Value(meterKey{}).(*meter)
		if err != nil || !ok {
			return conn, err
		}
		counted := &meteredConn{Conn: conn, meter: m}
		if below, ok := conn.(syscall.Conn); ok {
			return struct { // the driver uses SyscallConn to see whether the server closed the connection
				*meteredConn
				syscall.Conn
			}{counted, below}, nil
		}
		return counted, nil
	}
}

type meteredConn struct {
	net.Conn
	meter *meter
}

// Read implements net.Conn.
func (c *meteredConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.meter.read.Add(int64(n)) > maxRow+slack {
		c.meter.over.Store(true)
		return 0, errAnswerTooLong
	}
	return n, err
}

// Write implements net.Conn.
func (c *meteredConn) Write(p []byte) (int, error) {
	c.meter.reset()
	return c.Conn.Write(p)
}
