package sqlsource

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/source"
)

const maxConnections = 10

// postgres is the engine for PostgreSQL. It uses pgx directly, because database/sql would
// convert every value twice.
type postgres struct {
	pool *pgxpool.Pool
}

const placeholderURL = "postgres://placeholder:placeholder@127.0.0.1:5432/placeholder" +
	"?sslmode=disable&passfile=/dev/null&target_session_attrs=any&channel_binding=prefer"

func openPostgres(o options, tls *tls.Config, env source.Env) (engine, error) {
	// ParseConfig reads this machine's PG* variables, password file and service file. A
	// caller's definition must not use any of them. So ParseConfig gets a placeholder
	// that sets everything, and the definition's values replace it below.
	c, err := pgxpool.ParseConfig(placeholderURL)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "PostgreSQL cannot be set up")
	}
	port, err := strconv.ParseUint(withDefault(o.port, "5432"), 10, 16)
	if err != nil {
		return nil, fault.New(fault.Invalid, "url: %q is not a port", o.port)
	}
	cc := c.ConnConfig
	cc.Host, cc.Port, cc.Database, cc.User, cc.Password = o.host, uint16(port), o.database, withDefault(o.user, "postgres"), o.effectivePassword
	cc.KerberosSrvName, cc.KerberosSpn = "", ""
	cc.TLSConfig, cc.Fallbacks, cc.ConnectTimeout = tls, nil, connectTimeout
	// The session keeps the server's zone: a trigger or a default that stamps rows by now()
	// has to stamp them as it does for other programs.
	cc.RuntimeParams = map[string]string{
		"application_name": "headgate", "datestyle": "ISO, YMD", "intervalstyle": "iso_8601",
		"bytea_output": "hex", "extra_float_digits": "1", "client_encoding": "UTF8",
		"statement_timeout": strconv.FormatInt(o.wait.statement.Milliseconds(), 10),
	}
	cc.BuildFrontend = func(r io.Reader, w io.Writer) *pgproto3.Frontend {
		f := pgproto3.NewFrontend(r, w)
		f.SetMaxBodyLen(maxRow)
		return f
	}
	dial := dialer(env)
	cc.DialFunc = pgconn.DialFunc(dial)
	cc.LookupFunc = func(_ context.Context, host string) ([]string, error) { return []string{host}, nil } // the dialer resolves names and checks the addresses
	cc.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe                                              // connection poolers lose named statements
	c.MaxConns, c.MinConns, c.MaxConnIdleTime = maxConnections, 0, time.Minute
	pool, err := pgxpool.NewWithConfig(context.Background(), c)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "PostgreSQL cannot be set up")
	}
	return &postgres{pool: pool}, nil
}

func withDefault(s, def string) string {
	if s == "" {
		return def
	}
	return s
}

func (p *postgres) quote(id string) string { return `"` + strings.ReplaceAll(id, `"`, `""`) + `"` }

func (p *postgres) placeholder(n int, _ column) string { return "$" + strconv.Itoa(n) }

func (p *postgres) cursor(_ context.Context, t *table, c column) (column, error) {
	return timeColumn(t, c)
}

func (p *postgres) rowValues() bool    { return true }
func (p *postgres) rawPositions() bool { return false }
func (p *postgres) buffered() int      { return 0 }

func (p *postgres) abortsOnError() bool { return true }

func (p *postgres) release() error {
	p.pool.Close()
	return nil
}

func (p *postgres) since(c column, at, clock time.Time, s *statement) (string, error) {
	return sinceTime(c, at, clock, s)
}

func (p *postgres) missing(c column) string { return p.quote(c.name) + " IS NULL" }

// unordered returns a condition that can use an index.
func (p *postgres) unordered(c column) string {
	return fmt.Sprintf("%[1]s = 'infinity' OR %[1]s = '-infinity'", p.quote(c.name))
}

func (*postgres) locking() string { return " FOR UPDATE" }

func (p *postgres) ignoring(unique ...column) (string, bool) {
	names := make([]string, len(unique))
	for i, c := range unique {
		names[i] = p.quote(c.name)
	}
	return " ON CONFLICT (" + strings.Join(names, ", ") + ") DO NOTHING", true
}

// single lets PostgreSQL's parser decide: it prepares only a text that is one statement.
func (p *postgres) single(ctx context.Context, query string) error {
	return p.reading(ctx, func(tx pgx.Tx) error {
		d, err := tx.Prepare(ctx, "", query)
		if err == nil && len(d.Fields) == 0 {
			err = errNoRows
		}
		return err
	})
}

// reading runs do in a read-only transaction and rolls it back, because the functions that
// a query calls may try to write or to change settings of the session
// (docs/decisions/011).
func (p *postgres) reading(ctx context.Context, do func(pgx.Tx) error) error {
	tx, err := p.pool.BeginTx(ctx, readOnly)
	if err != nil {
		return err
	}
	defer postgresTx{tx}.rollback()
	return do(tx)
}

var readOnly = pgx.TxOptions{AccessMode: pgx.ReadOnly}

func (p *postgres) describe(ctx context.Context, from string) ([]column, error) {
	var columns []column
	err := p.reading(ctx, func(tx pgx.Tx) error {
		d, err := tx.Prepare(ctx, "", "SELECT * FROM "+from)
		if err == nil {
			columns = postgresColumns(d, tx.Conn().TypeMap())
			err = lookUpTypes(ctx, tx, columns)
		}
		return err
	})
	return columns, err
}

func postgresColumns(d *pgconn.StatementDescription, types *pgtype.Map) []column {
	columns := make([]column, len(d.Fields))
	for i, f := range d.Fields {
		c := column{name: f.Name, oid: f.DataTypeOID, digits: -1, kind: kindOther, typ: otherType}
		if t, ok := types.TypeForOID(f.DataTypeOID); ok {
			c.typ = t.Name
			if _, array := t.Codec.(*pgtype.ArrayCodec); array {
				c.kind = kindArray
			}
		}
		if k, ok := postgresKind(f.DataTypeOID); ok {
			c.kind = k
		}
		columns[i] = c
	}
	return columns
}

func postgresKind(oid uint32) (columnKind, bool) {
	switch oid {
	case pgtype.TextOID, pgtype.VarcharOID, pgtype.BPCharOID, pgtype.NameOID, pgtype.UUIDOID:
		return kindText, true
	case pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID, pgtype.OIDOID:
		return kindInteger, true
	case pgtype.NumericOID:
		return kindDecimal, true
	case pgtype.Float4OID:
		return kindFloat32, true
	case pgtype.Float8OID:
		return kindFloat, true
	case pgtype.BoolOID:
		return kindBool, true
	case pgtype.TimestamptzOID:
		return kindInstant, true
	case pgtype.TimestampOID:
		return kindLocal, true
	case pgtype.DateOID:
		return kindDate, true
	case pgtype.JSONOID, pgtype.JSONBOID:
		return kindJSON, true
	case pgtype.ByteaOID:
		return kindBytes, true
	}
	return 0, false
}

func (p *postgres) unique(ctx context.Context, t *table, columns []string) (bool, error) {
	var found bool
	err := p.pool.QueryRow(ctx, `
		SELECT EXISTS (
			SELECT FROM pg_index i
			WHERE i.indrelid = $1::text::regclass AND i.indisunique AND i.indpred IS NULL AND i.indexprs IS NULL AND i.indimmediate
			AND (SELECT array_agg(a.attname::text ORDER BY a.attname::text) FROM pg_attribute a
				WHERE a.attrelid = i.indrelid AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1]))
			= (SELECT array_agg(DISTINCT n ORDER BY n) FROM unnest($2::text[]) AS n))`, t.from, columns).Scan(&found)
	return found, err
}

func (p *postgres) clock(ctx context.Context) (time.Time, error) {
	var now time.Time
	err := p.pool.QueryRow(ctx, "SELECT clock_timestamp()").Scan(&now)
	return now, err
}

// offsets implements engine. The session's zone is the server's own.
func (p *postgres) offsets(ctx context.Context, at []time.Time) ([]time.Duration, error) {
	rows, err := p.pool.Query(ctx, `
		SELECT EXTRACT(EPOCH FROM (t AT TIME ZONE current_setting('TimeZone')) - (t AT TIME ZONE 'UTC'))::bigint
		FROM unnest($1::timestamptz[]) WITH ORDINALITY AS u (t, n) ORDER BY n`, at)
	if err != nil {
		return nil, err
	}
	seconds, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	out := make([]time.Duration, len(seconds))
	for i, s := range seconds {
		out[i] = time.Duration(s) * time.Second
	}
	return out, err
}

func (p *postgres) query(ctx context.Context, columns []column, sql string, args ...any) (resultRows, error) {
	tx, err := p.pool.BeginTx(ctx, readOnly)
	if err != nil {
		return nil, err
	}
	r, err := postgresTx{tx}.query(ctx, columns, sql, args...)
	if err != nil {
		postgresTx{tx}.rollback()
		return nil, err
	}
	return &postgresRead{resultRows: r, tx: postgresTx{tx}}, nil
}

// postgresRead wraps the rows of a query and ends its transaction with them.
type postgresRead struct {
	resultRows
	tx postgresTx
}

func (r *postgresRead) release() {
	r.resultRows.release()
	r.tx.rollback()
}

func (p *postgres) begin(ctx context.Context) (transaction, error) {
	tx, err := p.pool.Begin(ctx)
	if err != nil {
		return nil, err
	}
	return postgresTx{tx}, nil
}

// classify maps SQLSTATE to a class, by its first two characters where these suffice.
func (p *postgres) classify(err error) class {
	if _, ok := errors.AsType[*pgproto3.ExceededMaxBodyLenErr](err); ok {
		return tooLong
	}
	e, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return unknown
	}
	switch e.Code {
	case "42P01", "3F000":
		return noTable
	case "3D000": // the database does not exist
		return wrong
	case "23505":
		return duplicate
	case "42804", "P0001", "44000", "428C9", "42846", "42883": // 42883: a value has a type that cannot be compared
		return refusedRow
	case "42501", "25001", "25006": // 25: a write in a read-only transaction, or an attempt to end it
		return denied
	case "57014":
		return tooSlow
	case "53300":
		return full
	}
	switch e.Code[:2] {
	case "22", "23":
		return refusedRow
	case "28":
		return login
	case "42", "0A":
		return wrong
	}
	return unknown
}

func (p *postgres) explain(err error) string {
	e, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return notTold
	}
	if e.ColumnName != "" && !strings.Contains(e.Message, e.ColumnName) {
		return e.ColumnName + ": " + e.Message
	}
	return e.Message
}

// postgresTx implements transaction.
type postgresTx struct{ tx pgx.Tx }

func (t postgresTx) exec(ctx context.Context, sql string, args ...any) (int64, error) {
	tag, err := t.tx.Exec(ctx, sql, args...)
	return tag.RowsAffected(), err
}

// execAll sends all statements before it waits for the first answer, which saves a round
// trip for each row.
func (t postgresTx) execAll(ctx context.Context, statements []*statement) ([]int64, error) {
	var b pgx.Batch
	for _, s := range statements {
		b.Queue(s.sql.String(), s.args...)
	}
	results := t.tx.SendBatch(ctx, &b)
	affected := make([]int64, len(statements))
	for i := range statements {
		tag, err := results.Exec()
		if err != nil {
			_ = results.Close()
			return affected[:i], err
		}
		affected[i] = tag.RowsAffected()
	}
	return affected, results.Close()
}

func (t postgresTx) query(ctx context.Context, columns []column, sql string, args ...any) (resultRows, error) {
	r, err := t.tx.Query(ctx, sql, append([]any{formats(columns)}, args...)...)
	if err != nil {
		return nil, err
	}
	return newPostgresRows(r, columns), nil
}

func (t postgresTx) commit(ctx context.Context) error { return t.tx.Commit(ctx) }

func (t postgresTx) rollback() {
	ctx, cancel := context.WithTimeout(context.Background(), connectTimeout)
	defer cancel()
	_ = t.tx.Rollback(ctx) // if the rollback fails, pgx closes the connection
}
