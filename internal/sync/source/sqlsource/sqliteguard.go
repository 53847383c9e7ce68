package sqlsource

import (
	"context"
	"database/sql/driver"
	"errors"
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

// Whoever defines a sync writes SQL that runs in this process, on files of this
// machine. So every connection of a source is guarded by the engine itself, before
// its first statement:
//
//   - no other database can be attached, and no value or statement is longer than
//     a limit;
//   - an authorizer, which the parser asks about everything that a statement does,
//     allows reading, and on the connections that pushes use also changing rows;
//   - the temporary files of all connections together have a limit;
//   - a statement ends soon after its context does, also while it finds nothing.
//
// SQLite's driver offers none of this, so the hook that SQLite calls for each new
// connection does it. SQLite is C, translated: it is handed numbers, not Go values.
type guard struct {
	writes  bool        // the connection is for pushes
	stopped atomic.Bool // the statement that runs is to end
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
	// whether it is to stop: well under a millisecond.
	opsBetweenLooks = 20_000
	maxSQL          = 1 << 20
)

// installGuards has SQLite call guardConnection for every connection that is opened
// from now on. Those without the parameter, as the embedded store's, stay as they are.
func installGuards() error {
	installing.Do(func() {
		tls := libc.NewTLS()
		defer tls.Close()
		if installed = registerVFS(tls); installed == sqlite3.SQLITE_OK {
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
	if _, known := guards.Load(id); !known {
		return sqlite3.SQLITE_AUTH
	}
	for limit, value := range map[int32]int32{
		sqlite3.SQLITE_LIMIT_ATTACHED: 0, sqlite3.SQLITE_LIMIT_LENGTH: maxRow, sqlite3.SQLITE_LIMIT_SQL_LENGTH: maxSQL,
	} {
		sqlite3.Xsqlite3_limit(tls, db, limit, value)
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
		}
		return true
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

// guarded is a driver.Connector whose connections are guarded.
type guarded struct {
	path   string
	writes bool

	mu    sync.Mutex
	ids   []int64
	conns map[driver.Conn]*guard
}

// Driver implements driver.Connector.
func (*guarded) Driver() driver.Driver { return new(sqlite.Driver) }

// Connect implements driver.Connector.
func (c *guarded) Connect(ctx context.Context) (driver.Conn, error) {
	id, g := lastGuard.Add(1), &guard{writes: c.writes}
	guards.Store(id, g)
	c.mu.Lock()
	c.ids = append(c.ids, id)
	c.mu.Unlock()
	query := "mode=ro&_pragma=query_only(1)"
	if c.writes {
		query = "mode=rw&_txlock=immediate"
	}
	query += "&_defensive=1&_pragma=busy_timeout(10000)&_pragma=trusted_schema(0)&vfs=" + temporaryVFS + "&" + guardParameter + "=" + strconv.FormatInt(id, 10)
	base, err := sqlite.NewConnector((&url.URL{Scheme: "file", Path: c.path, RawQuery: query}).String())
	if err != nil {
		return nil, err
	}
	conn, err := base.Connect(ctx)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conns[conn] = g
	return conn, nil
}

// forget drops the guards, when the connections are closed.
func (c *guarded) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range c.ids {
		guards.Delete(id)
	}
	c.ids, c.conns = nil, map[driver.Conn]*guard{}
}

var errUnguarded = errors.New("sqlsource: a connection has no guard")

// until has the connection's statements end when the context does, until the
// function that it returns is called.
func (c *guarded) until(ctx context.Context, conn any) (func(), error) {
	dc, ok := conn.(driver.Conn)
	if !ok {
		return nil, errUnguarded
	}
	c.mu.Lock()
	g := c.conns[dc]
	c.mu.Unlock()
	if g == nil {
		return nil, errUnguarded
	}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		g.stopped.Store(true)
		close(ended)
	})
	return func() {
		if !stop() {
			<-ended
			g.stopped.Store(false) // the next statement is another's
		}
	}, nil
}
