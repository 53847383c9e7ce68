package sqlsource

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/fence"
)

// notTold is the explanation of an error that is not the database's own.
const notTold = "the database refused it"

// failed turns an error of the database into one for people. The code is Unavailable if the
// next try may succeed, and Invalid if the definition must change.
func (s *sqlSource) failed(ctx context.Context, err error, format string, args ...any) error {
	if fence.Refused(err) {
		return err
	}
	if ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
		err = fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f
	}
	what := fmt.Sprintf(format, args...)
	code := fault.Unavailable
	switch s.engine.classify(err) {
	case denied, wrong, noTable, refusedRow:
		code = fault.Invalid
		what += ": " + s.engine.explain(err)
	case login:
		code = fault.Invalid
		what += ": " + s.options.server() + " refuses the login: " + s.engine.explain(err)
	case tooLong:
		code = fault.Invalid
		what += fmt.Sprintf(": a row is longer than %d MiB, or one of its values than its share of %d MiB", maxRow>>20, maxUnseen>>20)
	case noRoom:
		what += ": " + s.engine.explain(err)
	case tooSlow:
		what += ": the database stopped the statement: " + s.engine.explain(err)
	case full:
		what += ": " + s.options.server() + " takes no more connections: " + s.engine.explain(err)
	default:
		what += s.cause(ctx, err)
	}
	return fault.Wrap(code, err, "%s", what)
}

// cause returns the end of a message about an error of no known class; "" if nobody told a
// cause. The end of the call breaks the connection, which then is not the cause.
func (s *sqlSource) cause(ctx context.Context, err error) string {
	if late, ok := errors.AsType[*overtime](context.Cause(ctx)); ok {
		return ": " + late.Error()
	}
	if ctx.Err() != nil {
		return ""
	}
	if lost := s.options.connection(err); lost != "" {
		return lost
	}
	if told := s.engine.explain(err); told != notTold {
		return ": " + told
	}
	return ""
}

// server names the database server.
func (o *options) server() string {
	return "the database at " + net.JoinHostPort(o.host, o.portOrDefault())
}

func (o *options) portOrDefault() string {
	return withDefault(o.port, map[string]string{"postgres": "5432", "mysql": "3306"}[o.dialect])
}

// connection returns the end of a message about a connection that could not be made or was
// lost, or "" if the error is about something else. The port tells the server from others on
// its host.
func (o *options) connection(err error) string {
	port := o.portOrDefault()
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return ": the database at " + o.host + " does not answer at port " + port
	}
	server, told := errors.AsType[*pgconn.PgError](err)
	if told && len(server.Code) == 5 && server.Code[:3] == "57P" { // the server is shutting down or starting
		return ": the connection to " + o.server() + " was lost: " + server.Message
	}
	_, op := errors.AsType[*net.OpError](err)
	for _, lost := range []error{io.EOF, io.ErrUnexpectedEOF, driver.ErrBadConn, mysql.ErrInvalidConn, syscall.ECONNRESET, syscall.EPIPE, net.ErrClosed} {
		op = op || errors.Is(err, lost)
	}
	if op && o.host != "" {
		return ": the connection to " + o.server() + " was lost"
	}
	return ""
}
