// Package sqlsource pulls from and pushes to a table of PostgreSQL, MySQL,
// MariaDB or SQLite.
//
// A pull is ordered by (cursor column, key) and continues after the last such
// pair, so that no row is lost at a page's end whatever changes meanwhile. In
// three passes it reads
//
//  1. the rows without a key, which are rejects;
//  2. the rows whose cursor column is NULL, by key: nobody knows when they
//     changed, so every pull reads them;
//  3. the others, from the cursor less the overlap.
//
// The key has to be unique, as the database compares it. Identifiers are quoted
// and known to exist; values are always bound. A push is a transaction, in which
// a row that the database refuses fails alone.
package sqlsource

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/fence"
	"github.com/headgate/headgate/internal/sync/source"
)

const (
	connectTimeout = 15 * time.Second
	readTimeout    = 5 * time.Minute // of a page: the first waits for the database to sort
	pushTimeout    = 2 * time.Minute
	// statementTimeout is the database's, should this process not end a statement: a
	// query that is read for longer is asked again from where it was.
	statementTimeout = 30 * time.Minute
	pushSize         = 500
	maxQuery         = 64 << 10 // bytes of a definition's query
)

// Kind returns the kind "sql".
func Kind() source.Kind {
	return source.Kind{Name: "sql", Check: check, Open: open}
}

// sqlSource is a source.Source.
type sqlSource struct {
	engine  engine
	options options

	mu      sync.Mutex
	tables  map[string]*table    // by datatype; those that exist
	readers map[*reader]struct{} // that are open
}

var (
	_ source.Source     = (*sqlSource)(nil)
	_ source.KeyChooser = (*sqlSource)(nil)
)

func open(ctx context.Context, d source.Datasource, env source.Env) (source.Source, error) {
	o, faults := parse(d)
	if len(faults) > 0 {
		return nil, fault.New(fault.Invalid, "%s", faults[0])
	}
	for path, value := range map[string]*string{"options.password": &o.password, "options.ca": &o.CA} {
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
	if o.driver == drivers.sqlite {
		return openSQLite(o, env)
	}
	tls, err := o.tlsConfig(env)
	if err != nil {
		return nil, err
	}
	if o.driver == drivers.mysql {
		return openMySQL(o, tls, env)
	}
	return openPostgres(o, tls, env)
}

// PushSize implements source.Source.
func (s *sqlSource) PushSize() int { return pushSize }

// ChoosesKeys implements source.KeyChooser.
func (s *sqlSource) ChoosesKeys(string) bool { return s.options.GeneratesKeys }

// Close implements source.Source.
func (s *sqlSource) Close() error {
	s.mu.Lock()
	readers := slices.Collect(maps.Keys(s.readers))
	s.mu.Unlock()
	for _, r := range readers { // or the engine would wait for their connections
		if err := r.Close(); err != nil {
			return err
		}
	}
	return s.engine.close()
}

// table is what a datatype is read from.
type table struct {
	datatype string
	from     string // the quoted name, or the query in brackets
	name     string // for people
	table    string // without its schema
	query    bool   // cannot be pushed to
	columns  []column
	names    *source.Columns
	unique   []string // a unique key that was looked for and is there
}

func (t *table) column(name string) (column, bool) {
	i := t.names.Index(name)
	if i < 0 {
		return column{}, false
	}
	return t.columns[i], true
}

// need returns the columns of those names, or a fault that names the columns there are.
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

// table describes the datatype's table, once.
func (s *sqlSource) table(ctx context.Context, datatype string) (*table, error) {
	s.mu.Lock()
	t, ok := s.tables[datatype]
	s.mu.Unlock()
	if ok {
		return t, nil
	}
	where, ok := s.options.tables[datatype]
	if !ok {
		where = location{Schema: s.options.Schema, Table: datatype}
	}
	t = &table{datatype: datatype, table: where.Table}
	switch {
	case where.Query != "":
		t.query, t.name = true, fmt.Sprintf("the query of %q", datatype)
		t.from = "(" + where.Query + "\n) " + s.engine.quote("source") // the line ends a comment
	case where.Schema != "":
		t.name = where.Schema + "." + where.Table
		t.from = s.engine.quote(where.Schema) + "." + s.engine.quote(where.Table)
	default:
		t.name, t.from = where.Table, s.engine.quote(where.Table)
	}
	if strings.ContainsRune(where.Table+where.Schema, 0) {
		return nil, fault.New(fault.Invalid, "the name of the table of %q has a zero byte", datatype)
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
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

// failed makes an error of the database one for people. What may work the next
// time is unavailable; a definition that cannot work is invalid.
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
	case denied, wrong, noTable, refused:
		code = fault.Invalid
		what += ": " + s.engine.explain(err)
	case tooLong:
		code = fault.Invalid
		what += fmt.Sprintf(": a row is longer than %d MiB, or one of its values than its share of %d MiB", maxRow>>20, maxUnseen>>20)
	case noRoom:
		what += ": " + s.engine.explain(err)
	case tooSlow:
		what += ": the statement took longer than the database lets it"
	default:
		if _, ok := errors.AsType[*net.OpError](err); ok {
			what += ": the database at " + s.options.host + " does not answer"
		}
	}
	return fault.Wrap(code, err, "%s", what)
}

// engine is a database. Its SQL is what differs between them.
type engine interface {
	quote(identifier string) string
	// placeholder returns the n-th, from 1, for a value of the column.
	placeholder(n int, c column) string
	// bind returns what to bind for a value, as sources and the store have it.
	bind(c column, v any) (any, error)
	// same compares a column null-safely with a placeholder.
	same(c column, placeholder string) string
	// since returns the condition that the cursor column is not before t; "": all are.
	since(c column, at time.Time, s *statement) (string, error)
	// cursor returns the column as one of times, or an error.
	cursor(ctx context.Context, t *table, c column) (column, error)
	// rowValues: (a, b) > (1, 2) is as fast as it is short.
	rowValues() bool
	// rawPositions: a value as the source gives it cannot be bound again, so
	// positions are read apart.
	rawPositions() bool
	// buffered is how many rows a query reads, all of them at once; 0: a query
	// reads everything, row by row.
	buffered() int
	// upsert returns the end of an INSERT that replaces the row of the same key.
	// An engine that has none returns false; then the row is inserted or else updated.
	upsert(key, set []column) (string, bool)
	// ignoring returns the end of an INSERT that does nothing if the column's
	// value is there already; false: an INSERT that fails is the same.
	ignoring(c column) (string, bool)
	// abortsOnError: a transaction is lost when a statement fails, unless there
	// was a savepoint.
	abortsOnError() bool

	// single returns an error unless the text is one statement that returns rows, as
	// the database parses it. It runs nothing. Only of such a text may a query that
	// has it in brackets be made: of any other, a part could end the brackets.
	single(ctx context.Context, query string) error
	describe(ctx context.Context, from string) ([]column, error)
	// unique reports whether the columns are a unique key of the table.
	unique(ctx context.Context, t *table, columns []string) (bool, error)
	clock(ctx context.Context) (time.Time, error)
	query(ctx context.Context, columns []column, sql string, args ...any) (rows, error)
	begin(ctx context.Context) (transaction, error)
	classify(err error) class
	// explain says what the database says, for people.
	explain(err error) string
	close() error
}

// rows are a query's, one at a time.
type rows interface {
	next() bool
	// scan sets dst to the row's values. A *badValue rejects the row alone.
	scan(dst []any) error
	// size is about how many bytes the row that was scanned keeps in memory.
	size() int
	err() error
	close()
}

type transaction interface {
	// exec returns how many rows the statement changed or found as it would leave them.
	exec(ctx context.Context, sql string, args ...any) (int64, error)
	// execAll executes statements one after the other up to the first that fails.
	execAll(ctx context.Context, statements []*statement) ([]int64, error)
	query(ctx context.Context, columns []column, sql string, args ...any) (rows, error)
	commit(ctx context.Context) error
	rollback()
}

// class is what an error of a database comes to.
type class int

const (
	unknown   class = iota
	refused         // the row's fault: a constraint, a type, a trigger
	duplicate       // refused, because of a unique key
	noTable
	denied  // the login's fault, or what the statement may not do
	wrong   // the statement's, so the definition's, fault
	tooSlow // the database ended the statement, which took too long
	tooLong // a row is longer than maxRow
	noRoom  // for the file, or for temporary files
)

// badValue is a value that a row cannot have.
type badValue struct {
	column string
	reason string
}

func (b *badValue) Error() string { return b.column + ": " + b.reason }

// statement is SQL with what it binds.
type statement struct {
	engine engine
	sql    strings.Builder
	args   []any
}

// value binds a value of the column, and returns its placeholder.
func (s *statement) value(c column, v any) (string, error) {
	bound, err := s.engine.bind(c, v)
	if err != nil {
		return "", &badValue{column: c.name, reason: err.Error()}
	}
	s.args = append(s.args, bound)
	return s.engine.placeholder(len(s.args), c), nil
}

// each reads rows to the end.
func each(r rows, n int, do func([]any) error) error {
	defer r.close()
	dst := make([]any, n)
	for r.next() {
		if err := r.scan(dst); err != nil {
			return err
		}
		if err := do(dst); err != nil {
			return err
		}
	}
	return r.err()
}

// errNoRows says what is wrong with a definition's query, not with the database.
var errNoRows = fault.New(fault.Invalid, "the query must be one SELECT: it returns no rows")

var errClosed = fmt.Errorf("sqlsource: closed: %w", io.ErrClosedPipe)
