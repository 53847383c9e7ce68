// Package sqliteguard opens SQLite files for SQL that a stranger wrote.
//
// The author of a definition writes SQL that runs in this process, on files of this
// machine. So the engine itself guards every connection before its first statement
// (docs/decisions/011):
//
//   - No other database can be attached. No value and no statement is longer than a limit.
//   - An authorizer allows only reading, and on the connections of pushes also changes of
//     rows. SQLite's parser asks it about every action of a statement.
//   - The temporary files of all guarded connections together have a limit. So has the
//     memory.
//   - A statement stops soon after its context ends, even if it finds no rows. It checks
//     for that between instructions, when it takes memory, and within functions that take
//     much longer than reading their arguments. Such functions that cannot be stopped are
//     refused.
//
// SQLite's driver offers none of this, so the package uses the hook that SQLite calls for
// each new connection. SQLite is C code that was translated to Go. It receives numbers
// instead of Go values, and the package looks up its guards by these numbers.
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

// guard holds the limits and the state of a guarded connection.
type guard struct {
	writes  bool        // the connection is for pushes
	stopped atomic.Bool // the running statement must stop
	refused atomic.Bool // the running statement asked for too much memory
	longest int32       // most bytes of a value
	tls     *libc.TLS
	db      uintptr // SQLite's connection
}

var (
	guards     sync.Map // *guard by the number in the connection's URI
	lastGuard  atomic.Int64
	installing sync.Once
	installed  int32
)

const (
	guardParameter = "headgate_guard"
	// opsBetweenLooks is the number of instructions after which SQLite checks whether a
	// statement must stop. Each of them may call a function with a value of 8 MiB.
	opsBetweenLooks = 100
	maxSQL          = 1 << 20
	// maxStraight bounds the bytes that a statement can read without a jump back:
	// instructions times bytes of a value. SQLite checks only at jumps back whether a
	// statement must stop. SQLite doubles the space of a program, starting with 42
	// instructions, and refuses a program that needs more than the limit.
	maxStraight  = 22 << 30
	maxArguments = 127 // a call with many arguments is still one instruction
)

// install makes SQLite call guardConnection for every connection that is opened from now
// on. Connections without guardParameter, such as the embedded store's, are not guarded.
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
		return fault.New(fault.Internal, "SQLite's connections cannot be guarded, so none is opened")
	}
	return nil
}

// pointerTo returns a Go function as a pointer of translated C code. f must be declared at
// the top level of a package, because such a function never moves.
func pointerTo[F any](f F) uintptr {
	return *(*uintptr)(unsafe.Pointer(&struct{ f F }{f}))
}

// guardConnection sets the limits of a new connection. SQLite calls it, and does not open
// the connection unless it returns SQLITE_OK.
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

// guardProgress tells SQLite whether the running statement must stop: any answer but 0
// stops it.
func guardProgress(_ *libc.TLS, id uintptr) int32 {
	g, ok := guards.Load(int64(id))
	if !ok || g.(*guard).stopped.Load() {
		return 1
	}
	return 0
}

// guardAction allows or denies an action of a statement. SQLite's parser calls it for every
// action.
func guardAction(_ *libc.TLS, id uintptr, action int32, first, second, _, _ uintptr) int32 {
	g, ok := guards.Load(int64(id))
	if ok && g.(*guard).allows(action, libc.GoString(first), libc.GoString(second)) {
		return sqlite3.SQLITE_OK
	}
	return sqlite3.SQLITE_DENY
}

// setUp holds the pragmas that every connection starts with. They are allowed at any time,
// because later they change nothing.
var setUp = map[string]string{"busy_timeout": "10000", "trusted_schema": "0", "query_only": "1"}

// internal reports whether a table belongs to SQLite itself. Such tables show the pages of
// the file, or tell about this machine through pragmas.
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
		case "json_patch", "jsonb_patch", "rtreecheck", "rtreenode", "rtreedepth": // these take too long and cannot be stopped
			return g.writes
		}
		return g.writes || !strings.HasPrefix(strings.ToLower(second), "geopoly_")
	case sqlite3.SQLITE_PRAGMA:
		switch first {
		case "data_version": // full-text search uses it
			return true
		case "index_list", "index_info", "table_info": // a push asks for the unique keys with these
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

// New returns a Connector to an existing file. Values may have at most longest bytes.
// Statements may change rows only if writes is true.
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
	conn, err := c.open(ctx, id)
	if err == nil {
		if whole, ok := conn.(connection); ok {
			return &guarded{connection: whole, id: id, guard: g}, nil
		}
		err = errors.Join(errUnguarded, conn.Close())
	}
	g.forget(id)
	return nil, err
}

func (c *Connector) open(ctx context.Context, id int64) (driver.Conn, error) {
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

// forget drops the guard of a closed connection.
func (g *guard) forget(id int64) {
	guards.Delete(id)
	if g.tls != nil {
		bounded.Delete(g.tls)
	}
}

// connection lists the methods that database/sql and this package use of the driver's
// connections.
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

// Close implements driver.Conn. database/sql also closes connections while the source is
// open, so the guard goes with its connection.
func (c *guarded) Close() error {
	defer c.guard.forget(c.id) // SQLite uses the guard until the connection is closed
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

// Columns returns the columns of the first statement in a query, as SQLite's parser
// determines them. It runs nothing and stops when the context ends.
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

// ErrMemory reports that a statement failed or returned wrong values, because it needed
// more memory than all guarded connections may have.
var ErrMemory = errors.New("sqliteguard: the statement takes too much memory")

// instructions returns the largest number of instructions of a stranger's statement whose
// values have at most longest bytes.
func instructions(longest int) int32 { return int32(min(maxStraight/max(longest, 1), math.MaxInt32)) }

// Read prepares the connection for statements until done is called. They stop when the
// context ends, and their values may have at most longest bytes. The longer the values,
// the fewer instructions a statement may have; ours lifts this bound for statements of this
// program. done returns ErrMemory if a statement did not get the memory that it asked for.
// The values that it returned may then be wrong.
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
		sqlite3.Xsqlite3_interrupt(g.tls, g.db) // stops even within one instruction, such as the count of a table's rows
		close(ended)
	})
	return func() error {
		if !stop() {
			<-ended
			g.stopped.Store(false) // the next statement belongs to another caller
		}
		if g.refused.Load() {
			return ErrMemory
		}
		return nil
	}, nil
}
