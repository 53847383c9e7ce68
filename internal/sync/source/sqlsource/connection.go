package sqlsource

import (
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"syscall"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
)

// connection returns the end of a message about a connection that could not be made or was
// lost, or "" if the error is about something else. The port tells the server from others on
// its host.
func (o *options) connection(err error) string {
	port := withDefault(o.port, map[string]string{"postgres": "5432", "mysql": "3306"}[o.dialect])
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return ": the database at " + o.host + " does not answer at port " + port
	}
	server, told := errors.AsType[*pgconn.PgError](err)
	if told && len(server.Code) == 5 && server.Code[:3] == "57P" { // the server is shutting down or starting
		return ": the connection to the database at " + net.JoinHostPort(o.host, port) + " was lost: " + server.Message
	}
	_, op := errors.AsType[*net.OpError](err)
	for _, lost := range []error{io.EOF, io.ErrUnexpectedEOF, driver.ErrBadConn, mysql.ErrInvalidConn, syscall.ECONNRESET, syscall.EPIPE, net.ErrClosed} {
		op = op || errors.Is(err, lost)
	}
	if op && o.host != "" {
		return ": the connection to the database at " + net.JoinHostPort(o.host, port) + " was lost"
	}
	return ""
}
