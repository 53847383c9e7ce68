// Package sqliteguard opens SQLite files for SQL that a stranger wrote.
//
// The author of a definition writes SQL that runs in this process, on files of this
// machine. So the engine itself guards every connection, before its first statement:
//
//   - no other database can be attached, and no value or statement is longer than
//     a limit;
//   - an authorizer, which the parser asks about everything that a statement does,
//     allows reading, and on the connections that pushes use also changing rows;
//   - the temporary files of all connections together have a limit, and so has their memory;
//   - a statement ends soon after its context does, also while it finds nothing: it is
//     told so between instructions, when it takes memory, and within the functions that
//     look at much more than their arguments' bytes. Others of those are refused.
//
// SQLite's driver offers none of this, so the hook that SQLite calls for each new
// connection does it. SQLite is C, translated: it is handed numbers, not Go values.
package sqliteguard

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"math"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"unsafe"

	"modernc.org/libc"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/headgate/headgate/internal/platform/fault"
)

// guard is what a connection is held to.
type guard struct {
	writes  bool        // the connection is for pushes
	stopped atomic.Bool // the statement that runs is to end
	refused atomic.Bool // the statement that runs was refused memory
	longest int32       // bytes of a value
	tls     *libc.TLS
	db      uintptr // SQLite's connection
}

var (
	guards     sync.Map // of *guard, by the number in the connection's URI
	lastGuard  atomic.Int64
	installing sync.Once
	installed  int32
)

const (
	guardParameter = "headgate_guard"
	// opsBetweenLooks is how many instructions SQLite's machine runs before it looks
	// whether it is to stop. Each may be a function's call with a value of 8 MiB.
	opsBetweenLooks = 100
	maxSQL          = 1 << 20
	// maxStraight bounds what a statement looks at without a jump back, for SQLite looks
	// whether it is to stop only there: instructions times the bytes of a value. SQLite
	// doubles a program's space from 42 instructions on, and refuses what is more than this.
	maxStraight  = 22 << 30
	maxArguments = 127 // a call with more is one instruction, too
)

// install has SQLite call guardConnection for every connection that is opened
// from now on. Those without the parameter, as the embedded store's, stay as they are.
func install() error {
	installing.Do(func() {
		tls := libc.NewTLS()
		defer tls.Close()
		if installed = allocator; installed == sqlite3.SQLITE_OK {
			installed = registerVFS(tls)
		}
		if installed == sqlite3.SQLITE_OK {
			installed = sqlite3.Xsqlite3_auto_extension(tls, pointerTo(guardConnection))
		}
	})
	if installed != sqlite3.SQLITE_OK {
		return fault.New(fault.Internal, "SQLite's connections cannot be guarded, so none is made")
	}
	return nil
}

// pointerTo returns a Go function as translated C code has it. f is declared at the
// top level of a package, so it never moves.
func pointerTo[F any](f F) uintptr {
	return *(*uintptr)(unsafe.Pointer(&struct{ f F }{f}))
}

// guardConnection is called by SQLite with a new connection. Anything but
// SQLITE_OK fails the opening.
func guardConnection(tls *libc.TLS, db, _, _ uintptr) int32 {
	id, _ := strconv.ParseInt(uriParameter(tls, db, guardParameter), 10, 64)
	if id == 0 {
		return sqlite3.SQLITE_OK
	}
	known, ok := guards.Load(id)
	if !ok {
		return sqlite3.SQLITE_AUTH
	}
	g := known.(*guard)
	g.tls, g.db = tls, db
	bounded.Store(tls, g)
	for limit, value := range map[int32]int32{
		sqlite3.SQLITE_LIMIT_ATTACHED: 0, sqlite3.SQLITE_LIMIT_LENGTH: g.longest, sqlite3.SQLITE_LIMIT_SQL_LENGTH: maxSQL,
	} {
		sqlite3.Xsqlite3_limit(tls, db, limit, value)
	}
	if !g.writes {
		sqlite3.Xsqlite3_limit(tls, db, sqlite3.SQLITE_LIMIT_FUNCTION_ARG, maxArguments)
		if rc := replaceFunctions(tls, db, id); rc != sqlite3.SQLITE_OK {
			return rc
		}
	}
	sqlite3.Xsqlite3_progress_handler(tls, db, opsBetweenLooks, pointerTo(guardProgress), uintptr(id))
	return sqlite3.Xsqlite3_set_authorizer(tls, db, pointerTo(guardAction), uintptr(id))
}

func uriParameter(tls *libc.TLS, db uintptr, name string) string {
	main, err := libc.CString("main")
	if err != nil {
		return ""
	}
	defer libc.Xfree(tls, main)
	parameter, err := libc.CString(name)
	if err != nil {
		return ""
	}
	defer libc.Xfree(tls, parameter)
	file := sqlite3.Xsqlite3_db_filename(tls, db, main)
	if file == 0 {
		return ""
	}
	return libc.GoString(sqlite3.Xsqlite3_uri_parameter(tls, file, parameter))
}

// guardProgress ends a statement by any answer but 0.
func guardProgress(_ *libc.TLS, id uintptr) int32 {
	g, ok := guards.Load(int64(id))
	if !ok || g.(*guard).stopped.Load() {
		return 1
	}
	return 0
}

// guardAction answers SQLite's parser, which asks about each action of a statement.
func guardAction(_ *libc.TLS, id uintptr, action int32, first, second, _, _ uintptr) int32 {
	g, ok := guards.Load(int64(id))
	if ok && g.(*guard).allows(action, libc.GoString(first), libc.GoString(second)) {
		return sqlite3.SQLITE_OK
	}
	return sqlite3.SQLITE_DENY
}

// setUp are the pragmas that a connection begins with. Afterwards they change nothing.
var setUp = map[string]string{"busy_timeout": "10000", "trusted_schema": "0", "query_only": "1"}

// internal are tables of the engine itself: its pages, and what pragmas say of this machine.
func internal(table string) bool {
	table = strings.ToLower(table)
	return table == "sqlite_dbpage" || table == "dbstat" || strings.HasPrefix(table, "pragma_")
}

func (g *guard) allows(action int32, first, second string) bool {
	switch action {
	case sqlite3.SQLITE_SELECT, sqlite3.SQLITE_RECURSIVE:
		return true
	case sqlite3.SQLITE_READ:
		return g.writes || !internal(first)
	case sqlite3.SQLITE_FUNCTION:
		switch strings.ToLower(second) {
		case "load_extension", "fts3_tokenizer", "sqlite_log", "readfile", "writefile", "edit":
			return false
		case "json_patch", "jsonb_patch", "rtreecheck", "rtreenode", "rtreedepth": // they take too long, and cannot be ended
			return g.writes
		}
		return g.writes || !strings.HasPrefix(strings.ToLower(second), "geopoly_")
	case sqlite3.SQLITE_PRAGMA:
		switch first {
		case "data_version": // full-text search asks for it
			return true
		case "index_list", "index_info", "table_info": // asked before rows are made
			return g.writes
		}
		value, ok := setUp[first]
		return ok && value == second
	case sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE:
		return g.writes && !internal(first)
	case sqlite3.SQLITE_TRANSACTION, sqlite3.SQLITE_SAVEPOINT:
		return g.writes
	}
	return false
}

// Connector is a driver.Connector whose connections are guarded.
type Connector struct {
	path    string
	longest int
	writes  bool
}

// New returns a Connector to the file of that path, which exists. Its values have at
// most longest bytes. Only with writes may statements change rows.
func New(path string, longest int, writes bool) (*Connector, error) {
	if err := install(); err != nil {
		return nil, err
	}
	boundMemory()
	return &Connector{path: path, longest: longest, writes: writes}, nil
}

// Driver implements driver.Connector.
func (*Connector) Driver() driver.Driver { return new(sqlite.Driver) }

// Connect implements driver.Connector.
func (c *Connector) Connect(ctx context.Context) (driver.Conn, error) {
	id, g := lastGuard.Add(1), &guard{writes: c.writes, longest: int32(min(c.longest, math.MaxInt32))}
	guards.Store(id, g)
	conn, err := c.connect(ctx, id)
	if err == nil {
		if whole, ok := conn.(connection); ok {
			return &guarded{connection: whole, id: id, guard: g}, nil
		}
		err = errors.Join(errUnguarded, conn.Close())
	}
	g.forget(id)
	return nil, err
}

func (c *Connector) connect(ctx context.Context, id int64) (driver.Conn, error) {
	query := "mode=ro&_pragma=query_only(1)"
	if c.writes {
		query = "mode=rw&_txlock=immediate"
	}
	query += "&_defensive=1&_pragma=busy_timeout(10000)&_pragma=trusted_schema(0)&vfs=" + temporaryVFS + "&" + guardParameter + "=" + strconv.FormatInt(id, 10)
	base, err := sqlite.NewConnector((&url.URL{Scheme: "file", Path: c.path, RawQuery: query}).String())
	if err != nil {
		return nil, err
	}
	return base.Connect(ctx)
}

// forget drops the guard of a connection that is closed.
func (g *guard) forget(id int64) {
	guards.Delete(id)
	if g.tls != nil {
		bounded.Delete(g.tls)
	}
}

// connection is what database/sql uses of the driver's connections, and what we do.
type connection interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.Pinger
	driver.QueryerContext
	driver.SessionResetter
	driver.Validator
	ColumnInfo(query string) ([]sqlite.ColumnInfo, error)
}

// guarded is a connection with its guard.
type guarded struct {
	connection
	id    int64
	guard *guard
}

// Close implements driver.Conn. database/sql closes connections also while the
// source is open.
func (c *guarded) Close() error {
	defer c.guard.forget(c.id) // SQLite asks it until then
	return c.connection.Close()
}

var errUnguarded = errors.New("sqliteguard: a connection has no guard")

func raw(conn *sql.Conn, do func(*guarded) error) error {
	return conn.Raw(func(c any) error {
		g, ok := c.(*guarded)
		if !ok {
			return errUnguarded
		}
		return do(g)
	})
}

// Columns returns the columns that the query returns, as SQLite's parser finds them in
// its first statement. It runs nothing, and ends when the context does.
func Columns(ctx context.Context, conn *sql.Conn, query string) (columns []sqlite.ColumnInfo, err error) {
	done, err := Read(ctx, conn, math.MaxInt32, true)
	if err != nil {
		return nil, err
	}
	err = raw(conn, func(c *guarded) error {
		columns, err = c.ColumnInfo(query)
		return err
	})
	return columns, errors.Join(done(), err)
}

// ErrMemory says that a statement was ended, or has given wrong values, because it
// needed more memory than there is for all guarded connections.
var ErrMemory = errors.New("sqliteguard: the statement takes too much memory")

// instructions returns how many a stranger's statement may have, whose values have at
// most that many bytes.
func instructions(longest int) int32 { return int32(min(maxStraight/max(longest, 1), math.MaxInt32)) }

// Read has the connection's statements end when the context does, and their values
// have at most longest bytes, until done is called. The more bytes, the fewer
// instructions a statement may have, except one of ours. done returns ErrMemory if one
// was refused memory: then the values that it returned may be wrong.
func Read(ctx context.Context, conn *sql.Conn, longest int, ours bool) (done func() error, err error) {
	var g *guard
	if err := raw(conn, func(c *guarded) error {
		g = c.guard
		longest = min(longest, int(g.longest))
		sqlite3.Xsqlite3_limit(g.tls, g.db, sqlite3.SQLITE_LIMIT_LENGTH, int32(longest))
		most := int32(math.MaxInt32)
		if !ours {
			most = instructions(longest)
		}
		sqlite3.Xsqlite3_limit(g.tls, g.db, sqlite3.SQLITE_LIMIT_VDBE_OP, most)
		return nil
	}); err != nil {
		return nil, err
	}
	g.refused.Store(false)
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		g.stopped.Store(true)
		sqlite3.Xsqlite3_interrupt(g.tls, g.db) // it may count the rows of a table, which is one instruction
		close(ended)
	})
	return func() error {
		if !stop() {
			<-ended
			g.stopped.Store(false) // the next statement is another's
		}
		if g.refused.Load() {
			return ErrMemory
		}
		return nil
	}, nil
}
