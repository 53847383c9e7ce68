package sqlsource

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/source"
)

// count returns the result of a query on the tests' own connection.
func (p *place) count(t testing.TB, query string) (n int) {
	t.Helper()
	require.NoError(t, p.db.QueryRow(query).Scan(&n))
	return n
}

// A pull changes nothing, even if its query or a view calls functions that write.
func TestAttackPostgresPullChangesNothing(t *testing.T) {
	t.Parallel()
	p := newPlace(t, onPostgres)
	schema := p.schema()
	p.exec(t, "CREATE TABLE reading (id text PRIMARY KEY, updated_at timestamptz DEFAULT now())")
	p.exec(t, "INSERT INTO reading VALUES ('a'), ('b')")
	p.exec(t, "CREATE SEQUENCE numbers")
	p.exec(t, "CREATE FUNCTION sneaky() RETURNS text LANGUAGE plpgsql VOLATILE AS $$ BEGIN INSERT INTO "+schema+".reading VALUES (gen_random_uuid()::text); RETURN 'x'; END $$")
	p.exec(t, "CREATE FUNCTION unlocked() RETURNS text LANGUAGE plpgsql VOLATILE AS $$ BEGIN SET transaction_read_only = off; INSERT INTO "+schema+".reading VALUES ('u'); RETURN 'x'; END $$")
	p.exec(t, "CREATE FUNCTION liar() RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN DELETE FROM "+schema+".reading; RETURN 'x'; END $$")
	p.exec(t, "CREATE VIEW innocent AS SELECT nextval('"+schema+".numbers')::text AS id, now() AS updated_at")
	at := ", now() AS updated_at"
	for name, query := range map[string]string{
		"nextval":             "SELECT nextval('" + schema + ".numbers')::text AS id" + at,
		"setval":              "SELECT setval('" + schema + ".numbers', 77)::text AS id" + at,
		"a function":          "SELECT " + schema + ".sneaky() AS id" + at,
		"immutable":           "SELECT " + schema + ".liar() AS id" + at,
		"unlocked":            "SELECT " + schema + ".unlocked() AS id" + at,
		"unlocked in passing": "SELECT set_config('transaction_read_only', 'off', false) || " + schema + ".sneaky() AS id" + at,
		"a view":              "SELECT * FROM " + schema + ".innocent",
		"two statements":      "SELECT 1 AS id) q; DELETE FROM " + schema + ".reading; SELECT id FROM (SELECT 1 AS id",
		"a statement that is": "DELETE FROM " + schema + ".reading RETURNING id",
		"in a WITH":           "WITH gone AS (DELETE FROM " + schema + ".reading RETURNING id) SELECT id" + at + " FROM gone",
		"half of two":         "SELECT 1 AS id) q, (SELECT 2 AS x",
		"a comment":           "SELECT 1 AS id) q LIMIT 1 --",
		"into":                "SELECT 1 AS id INTO " + schema + ".made",
		"locks":               "SELECT id" + at + " FROM " + schema + ".reading FOR UPDATE",
		"commits":             "COMMIT",
		"copies to a program": "COPY (SELECT 1) TO PROGRAM 'true'",
		"shows the settings":  "SHOW ALL",
	} {
		t.Run(name, func(t *testing.T) {
			for _, cursor := range []string{"", "updated_at"} {
				rows, err := queried(t, p, query, cursor)
				require.Error(t, err, "%v", rows)
				require.Equal(t, fault.Invalid, fault.CodeOf(err), "%v", err)
				require.Equal(t, 2, p.count(t, "SELECT count(*) FROM reading"))
				require.Zero(t, p.count(t, "SELECT count(*) FROM pg_largeobject_metadata"))
				require.Equal(t, 1, p.count(t, "SELECT nextval('numbers')"), "the sequence moved")
				p.exec(t, "ALTER SEQUENCE numbers RESTART")
			}
		})
	}
	// PostgreSQL 15 creates large objects even in a read-only transaction. The rollback
	// removes them.
	_, err := queried(t, p, "SELECT lo_from_bytea(0, 'x')::text AS id", "")
	t.Log(err)
	require.Zero(t, p.count(t, "SELECT count(*) FROM pg_largeobject_metadata"))
	// A changed setting of the session is rolled back, and no later statement depends on it.
	p.options["tables"] = map[string]any{
		"q": map[string]any{"query": "SELECT set_config('default_transaction_read_only', 'off', false) || set_config('statement_timeout', '0', false) AS id"},
		"s": map[string]any{"query": "SELECT current_setting('statement_timeout') AS id"},
	}
	s := p.Open(t)
	for _, datatype := range []string{"q", "s"} {
		r, err := s.Pull(t.Context(), source.Pull{Spec: source.Spec{Datatype: datatype, Key: []string{"id"}}, PageSize: 10})
		require.NoError(t, err)
		page, err := r.Next(t.Context())
		require.NoError(t, err)
		require.Len(t, page.Rows, 1)
		if datatype == "s" {
			require.Equal(t, "30min", page.Rows[0].Values[0])
		}
		require.NoError(t, r.Close())
	}
}

func TestAttackMySQLPullChangesNothing(t *testing.T) {
	t.Parallel()
	p := newPlace(t, onMySQL)
	schema := p.schema()
	p.exec(t, "CREATE TABLE reading (id varchar(100) PRIMARY KEY, updated_at datetime DEFAULT now())")
	p.exec(t, "INSERT INTO reading (id) VALUES ('a'), ('b')")
	p.exec(t, "CREATE TABLE plain (id varchar(100)) ENGINE=MyISAM")
	p.exec(t, "CREATE SEQUENCE numbers")
	p.exec(t, "CREATE FUNCTION sneaky() RETURNS text NOT DETERMINISTIC MODIFIES SQL DATA BEGIN INSERT INTO reading (id) VALUES (uuid()); RETURN 'x'; END")
	p.exec(t, "CREATE FUNCTION untransacted() RETURNS text NOT DETERMINISTIC MODIFIES SQL DATA BEGIN INSERT INTO plain (id) VALUES (uuid()); RETURN 'x'; END")
	p.exec(t, "CREATE FUNCTION liar() RETURNS text DETERMINISTIC NO SQL BEGIN DELETE FROM reading; RETURN 'x'; END")
	p.exec(t, "CREATE VIEW innocent AS SELECT sneaky() AS id, now() AS updated_at")
	at := ", now() AS updated_at"
	for name, query := range map[string]string{
		"a function":          "SELECT sneaky() AS id" + at,
		"untransacted":        "SELECT untransacted() AS id" + at,
		"deterministic":       "SELECT liar() AS id" + at,
		"a sequence":          "SELECT NEXT VALUE FOR numbers AS id" + at,
		"nextval":             "SELECT NEXTVAL(numbers) AS id" + at,
		"setval":              "SELECT SETVAL(numbers, 77) AS id" + at,
		"a view":              "SELECT * FROM innocent",
		"two statements":      "SELECT 1 AS id) q; DELETE FROM reading; SELECT id FROM (SELECT 1 AS id",
		"a statement that is": "DELETE FROM reading RETURNING id",
		"half of two":         "SELECT 1 AS id) q, (SELECT 2 AS x",
		"a comment":           "SELECT 1 AS id) q LIMIT 1 -- ",
		"an open comment":     "SELECT 1 AS id) q LIMIT 1 /*",
		"a file":              "SELECT 1 AS id INTO OUTFILE '/tmp/headgate-out-" + schema + "'",
		"a file behind":       "SELECT 1 AS id) q INTO OUTFILE '/tmp/headgate-out-" + schema + "' /*",
		"a dump":              "SELECT 1 AS id INTO DUMPFILE '/tmp/headgate-out-" + schema + "'",
		"commits":             "COMMIT",
		"calls":               "CALL something()",
		"sets":                "SET GLOBAL read_only = 1",
	} {
		t.Run(name, func(t *testing.T) {
			for _, cursor := range []string{"", "updated_at"} {
				rows, err := queried(t, p, query, cursor)
				require.Error(t, err, "%v", rows)
				require.Equal(t, fault.Invalid, fault.CodeOf(err), "%v", err)
				require.Equal(t, 2, p.count(t, "SELECT count(*) FROM reading"))
				require.Zero(t, p.count(t, "SELECT count(*) FROM plain"))
				require.Equal(t, 1, p.count(t, "SELECT next_not_cached_value FROM numbers"), "the sequence moved")
				require.NoFileExists(t, "/tmp/headgate-out-"+schema)
			}
		})
	}
	rows, err := queried(t, p, "SELECT CAST(@@max_statement_time AS CHAR) AS id", "")
	require.NoError(t, err)
	require.Equal(t, fmt.Sprintf("%.6f", usualPatience().statement.Seconds()), rows[0].Values[0])
}

// A statement without end stops when the caller's context ends.
func TestAQueryIsCancelled(t *testing.T) {
	t.Parallel()
	for s, query := range map[*server]string{
		&onPostgres: "SELECT pg_sleep(600)::text AS id",
		&onMySQL:    "SELECT SLEEP(600) AS id",
		// The query finds one row and then runs for ever without another one.
		&onSQLite: "WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s) SELECT i AS id FROM s WHERE i < 2",
	} {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, *s)
			p.options["tables"] = map[string]any{"q": map[string]any{"query": query}}
			src := p.Open(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ended := make(chan error, 1)
			go func() {
				r, err := src.Pull(ctx, source.Pull{Spec: source.Spec{Datatype: "q", Key: []string{"id"}}, PageSize: 100})
				if err == nil {
					_, err = r.Next(ctx)
					err = errors.Join(err, r.Close())
				}
				ended <- err
			}()
			time.AfterFunc(countTimeout+500*time.Millisecond, cancel)
			select {
			case err := <-ended:
				require.Error(t, err)
			case <-time.After(time.Minute):
				require.FailNow(t, "the query does not end")
			}
			require.NoError(t, src.Close())
			if s.name == "postgres" {
				require.Eventually(t, func() bool {
					return p.count(t, "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid()") == 0
				}, time.Minute, 50*time.Millisecond)
			}
		})
	}
}

// A file of SQLite may be hostile. Its triggers and the search for a column's style of time
// also stop when the caller's context ends.
func TestSQLiteStatementsEndWithTheirCaller(t *testing.T) {
	t.Parallel()
	const endless = "WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s) SELECT "
	p := newPlace(t, onSQLite)
	p.exec(t, "CREATE TABLE reading (id text PRIMARY KEY, n int)")
	p.exec(t, "CREATE TRIGGER forever AFTER INSERT ON reading BEGIN INSERT INTO reading "+endless+"max(i), 1 FROM s; END")
	p.options["tables"] = map[string]any{"reading": "reading", "q": map[string]any{"query": endless + "i AS id FROM s WHERE i < 2"}}
	s := p.Open(t)
	for name, do := range map[string]func(context.Context) error{
		"cursor": func(ctx context.Context) error {
			_, err := s.Pull(ctx, source.Pull{Spec: source.Spec{Datatype: "q", Key: []string{"id"}, CursorTime: "id"}, PageSize: 100})
			return err
		},
		"trigger": func(ctx context.Context) error {
			_, err := s.Push(ctx, source.Spec{Datatype: "reading", Key: []string{"id"}},
				[]source.Change{{Op: source.Create, Key: []any{"b"}, Fields: map[string]any{"id": "b", "n": 1}}})
			return err
		},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		ended := make(chan error, 1)
		go func() { ended <- do(ctx) }()
		select {
		case err := <-ended:
			require.ErrorIs(t, err, context.DeadlineExceeded, name)
		case <-time.After(time.Minute):
			require.FailNow(t, "the statement does not end", name)
		}
		cancel()
	}
	require.NoError(t, s.Close())
	require.Zero(t, p.count(t, "SELECT count(*) FROM reading"))
}
