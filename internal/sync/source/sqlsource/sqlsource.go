// Package sqlsource pulls from and pushes to a table of PostgreSQL, MySQL, MariaDB or
// SQLite. A definition may also pull from a query.
//
// A pull orders the rows by (cursor column, key) and continues after the last such pair. So
// it loses no row at the end of a page, even if rows change meanwhile. It has three passes:
//
//  1. the rows without a key, which are rejects;
//  2. the rows whose cursor column is NULL or has no time that the database can order, such
//     as infinity, a zero date or other text, by key. Nobody knows when they changed, so
//     every pull reads them;
//  3. the other rows, from the cursor less the overlap.
//
// The key must be unique by the database's own comparison. Names are quoted and checked to
// exist; values are always bound. A push is a transaction in which a refused row fails
// alone.
//
// A definition's query is SQL of a stranger. The database itself keeps it from writing
// (docs/decisions/011), and the sizes and times of its answers are bounded.
package sqlsource

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/source"
)

const (
	connectTimeout = 15 * time.Second
	maxPush        = 500
	maxQuery       = 64 << 10 // most bytes of a definition's query
)

// Kind returns the kind "sql".
func Kind() source.Kind {
	return source.Kind{Name: "sql", Check: check, Open: openSource}
}

// sqlSource implements source.Source.
type sqlSource struct {
	engine  engine
	options options

	mu      sync.Mutex
	tables  map[string]*table    // described tables by datatype
	readers map[*reader]struct{} // open readers
}

var (
	_ source.Source     = (*sqlSource)(nil)
	_ source.KeyChooser = (*sqlSource)(nil)
)

func openSource(ctx context.Context, d source.Datasource, env source.Env) (source.Source, error) {
	o, faults := parse(d)
	if len(faults) > 0 {
		return nil, fault.New(fault.Invalid, "%s", faults[0])
	}
	for path, value := range map[string]*string{"options.password": &o.effectivePassword, "options.ca": &o.CA} {
		resolved, err := env.Credential(ctx, d, path, *value)
		if err != nil {
			return nil, err
		}
		*value = resolved
	}
	e, err := openEngine(o, env)
	if err != nil {
		return nil, err
	}
	return &sqlSource{engine: e, options: o, tables: map[string]*table{}, readers: map[*reader]struct{}{}}, nil
}

func openEngine(o options, env source.Env) (engine, error) {
	if o.dialect == drivers.sqlite {
		return openSQLite(o, env)
	}
	tls, err := o.tlsConfig(env)
	if err != nil {
		return nil, err
	}
	if o.dialect == drivers.mysql {
		return openMySQL(o, tls, env)
	}
	return openPostgres(o, tls, env)
}

// PushSize implements source.Source.
func (s *sqlSource) PushSize() int { return maxPush }

// ChoosesKeys implements source.KeyChooser.
func (s *sqlSource) ChoosesKeys(string) bool { return s.options.GeneratesKeys }

// Close implements source.Source.
func (s *sqlSource) Close() error {
	s.mu.Lock()
	readers := slices.Collect(maps.Keys(s.readers))
	s.mu.Unlock()
	for _, r := range readers { // the engine would wait for their connections
		if err := r.Close(); err != nil {
			return err
		}
	}
	return s.engine.release()
}

// table describes the table or query that a datatype is read from.
type table struct {
	datatype string
	from     string // the quoted name, or the query in brackets
	name     string // name for messages
	table    string // name without the schema
	query    bool   // a query, which cannot be pushed to
	columns  []column
	names    *source.Columns
	unique   []string // columns that were found to be a unique key
}

func (t *table) column(name string) (column, bool) {
	i := t.names.Index(name)
	if i < 0 {
		return column{}, false
	}
	return t.columns[i], true
}

// need returns the columns with the names, or a fault that lists the existing columns.
func (t *table) need(names ...string) ([]column, error) {
	columns := make([]column, 0, len(names))
	var unknown []string
	for _, n := range names {
		if c, ok := t.column(n); ok {
			columns = append(columns, c)
		} else {
			unknown = append(unknown, fmt.Sprintf("%q", n))
		}
	}
	if len(unknown) > 0 {
		return nil, fault.New(fault.Invalid, "%s has no column %s: its columns are %s", t.name,
			strings.Join(unknown, ", "), strings.Join(t.names.Names(), ", "))
	}
	return columns, nil
}

// table returns the description of a datatype's table. It asks the database only once.
func (s *sqlSource) table(ctx context.Context, datatype string) (*table, error) {
	s.mu.Lock()
	t, ok := s.tables[datatype]
	s.mu.Unlock()
	if ok {
		return t, nil
	}
	where, ok := s.options.locations[datatype]
	if !ok {
		where = location{Schema: s.options.Schema, Table: datatype}
	}
	t = &table{datatype: datatype, table: where.Table}
	switch {
	case where.Query != "":
		t.query, t.name = true, fmt.Sprintf("the query of %q", datatype)
		t.from = "(" + where.Query + "\n) " + s.engine.quote("source") // the line break ends a comment at the end of the query
	case where.Schema != "":
		t.name = where.Schema + "." + where.Table
		t.from = s.engine.quote(where.Schema) + "." + s.engine.quote(where.Table)
	default:
		t.name, t.from = where.Table, s.engine.quote(where.Table)
	}
	if strings.ContainsRune(where.Table+where.Schema, 0) {
		return nil, fault.New(fault.Invalid, "the name of the table of %q has a zero byte", datatype)
	}
	ctx, cancel := s.within(ctx, s.options.wait.page)
	defer cancel()
	if t.query {
		if err := s.engine.single(ctx, where.Query); err != nil {
			return nil, s.failed(ctx, err, "%s cannot be read", t.name)
		}
	}
	columns, err := s.engine.describe(ctx, t.from)
	switch {
	case err != nil && s.engine.classify(err) == noTable:
		return nil, fault.Wrap(fault.NotFound, err, "there is no table %s for the datatype %q", t.name, datatype)
	case err != nil:
		return nil, s.failed(ctx, err, "%s cannot be read", t.name)
	}
	if t.query && s.engine.rawPositions() && len(columns) > maxColumns {
		return nil, fault.New(fault.Invalid, "%s has %d columns: a query of SQLite has at most %d columns", t.name, len(columns), maxColumns)
	}
	t.columns = columns
	names := make([]string, len(columns))
	seen := map[string]bool{}
	for i, c := range columns {
		if seen[c.name] {
			return nil, fault.New(fault.Invalid, "%s has two columns %q", t.name, c.name)
		}
		names[i], seen[c.name] = c.name, true
	}
	t.names = source.NewColumns(names)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tables[datatype] = t
	return t, nil
}

// engine is a kind of database with its own SQL.
type engine interface {
	quote(identifier string) string
	// placeholder returns the n-th placeholder, from 1, for a value of the column.
	placeholder(n int, c column) string
	// bind converts a value of a row or a record into one that the driver can bind.
	bind(c column, v any) (any, error)
	// same returns a condition that compares a column with a placeholder. NULL equals NULL.
	same(c column, placeholder string) string
	// since returns the condition that the cursor column is not before a time: at is the
	// instant, and clock the time of a column or value without a zone.
	since(c column, at, clock time.Time, s *statement) (string, error)
	// missing returns the condition that the column is NULL.
	missing(c column) string
	// unordered returns a condition for the values of the cursor column, other than NULL,
	// whose order is not that of a time; "": there are none.
	unordered(c column) string
	// cursor returns the column as a column of times, or an error if it holds none.
	cursor(ctx context.Context, t *table, c column) (column, error)
	// rowValues reports whether the engine compares (a, b) > (1, 2) efficiently.
	rowValues() bool
	// rawPositions reports that a value of a row cannot be bound again without loss. The
	// query then selects the position a second time, as the database stores it.
	rawPositions() bool
	// buffered returns the number of rows that a query reads at once; 0: a query reads
	// all rows, one by one.
	buffered() int
	// locking returns the end of a SELECT that locks its rows until the transaction ends;
	// "": the statement before it has locked the whole database.
	locking() string
	// ignoring returns the end of an INSERT that does nothing if the values of the unique
	// columns exist. If it returns false, such an INSERT fails as a duplicate.
	ignoring(unique ...column) (string, bool)
	// abortsOnError reports whether a failed statement ends the whole transaction unless
	// there is a savepoint.
	abortsOnError() bool

	// single returns an error unless the database parses the text as one statement that
	// returns rows. It runs nothing. Only such a text may be put in brackets to make a
	// larger query; another text could close the brackets and add SQL of its own.
	single(ctx context.Context, query string) error
	describe(ctx context.Context, from string) ([]column, error)
	// unique reports whether exactly these columns are a unique key of the table.
	unique(ctx context.Context, t *table, columns []string) (bool, error)
	clock(ctx context.Context) (time.Time, error)
	// offsets returns how far the clocks of the database's own zone are ahead of UTC at
	// the instants.
	offsets(ctx context.Context, at []time.Time) ([]time.Duration, error)
	query(ctx context.Context, columns []column, sql string, args ...any) (resultRows, error)
	begin(ctx context.Context) (transaction, error)
	classify(err error) class
	// explain returns the database's own message for people.
	explain(err error) string
	release() error
}

// resultRows returns the rows of a query one by one.
type resultRows interface {
	more() bool
	// scan sets dst to the row's values. A *badValue rejects only this row.
	scan(dst []any) error
	// size estimates the memory in bytes of the row that was scanned.
	size() int
	err() error
	release()
}

type transaction interface {
	// exec returns the number of rows that the statement found, including rows that
	// already have the new values.
	exec(ctx context.Context, sql string, args ...any) (int64, error)
	// execAll executes the statements in order and stops at the first that fails.
	execAll(ctx context.Context, statements []*statement) ([]int64, error)
	query(ctx context.Context, columns []column, sql string, args ...any) (resultRows, error)
	commit(ctx context.Context) error
	rollback()
}

// class is the meaning of a database's error for a pull or a push.
type class int

const (
	unknown    class = iota
	refusedRow       // the row breaks a constraint, a type or a trigger
	duplicate        // the row breaks a unique key
	noTable
	denied  // the login or the kind of transaction does not allow the statement
	login   // the server refuses the login, as with a wrong password
	wrong   // the statement, and so the definition, is wrong
	tooSlow // the database stopped the statement because it took too long
	tooLong // a row is longer than maxRow
	full    // the server or the login has as many connections as it may have
	noRoom  // there is no space for the file, for temporary files or in memory
)

// badValue is the error for a value that a row cannot have.
type badValue struct {
	column string
	reason string
}

func (b *badValue) Error() string { return b.column + ": " + b.reason }

// statement is SQL with the values that it binds.
type statement struct {
	engine engine
	sql    strings.Builder
	args   []any
}

// value binds a value of the column and returns its placeholder.
func (s *statement) value(c column, v any) (string, error) {
	bound, err := s.engine.bind(c, v)
	if err != nil {
		return "", &badValue{column: c.name, reason: err.Error()}
	}
	s.args = append(s.args, bound)
	return s.engine.placeholder(len(s.args), c), nil
}

// each calls do with every row and closes the rows.
func each(r resultRows, n int, do func([]any) error) error {
	defer r.release()
	dst := make([]any, n)
	for r.more() {
		if err := r.scan(dst); err != nil {
			return err
		}
		if err := do(dst); err != nil {
			return err
		}
	}
	return r.err()
}

// errNoRows reports that a definition's query returns no rows, such as an INSERT.
var errNoRows = fault.New(fault.Invalid, "the query must be one SELECT: it returns no rows")

var errClosed = fmt.Errorf("sqlsource: closed: %w", io.ErrClosedPipe)
