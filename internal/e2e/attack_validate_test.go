package e2e_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"testing"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"
)

// schemaOf creates a schema on the server for this test. It returns its name, a connection
// and the URL of the data source.
func schemaOf(t *testing.T, driver, env string) (schema string, db *sql.DB, at string) {
	t.Helper()
	raw := os.Getenv(env)
	if raw == "" {
		require.Empty(t, os.Getenv("HEADGATE_REQUIRE_DATABASES"), "%s is needed: run the tests with scripts/with-databases", env)
		t.Skipf("%s is not set: scripts/with-databases sets it", env)
	}
	u, err := url.Parse(raw)
	require.NoError(t, err)
	schema = fmt.Sprintf("attack_%016x", rand.Uint64())
	connect := func(dsn string) *sql.DB {
		db, err := sql.Open(driver, dsn)
		require.NoError(t, err)
		t.Cleanup(func() { _ = db.Close() })
		return db
	}
	if driver == "pgx" {
		db = connect(raw)
		_, err = db.Exec("CREATE SCHEMA " + schema)
		t.Cleanup(func() { _, _ = db.Exec("DROP SCHEMA " + schema + " CASCADE") })
	} else {
		password, _ := u.User.Password()
		db = connect(fmt.Sprintf("%s:%s@tcp(%s)/", u.User.Username(), password, u.Host))
		_, err = db.Exec("CREATE DATABASE " + schema)
		t.Cleanup(func() { _, _ = db.Exec("DROP DATABASE " + schema) })
		u.Path = "/" + schema
	}
	require.NoError(t, err)
	return schema, db, u.String()
}

// A validation changes nothing in the database or here, even if the table is a view that
// calls functions which write. Neither do the reads of a pull.
func TestAttackValidateOnAServer(t *testing.T) {
	t.Parallel()
	for name, on := range map[string]struct {
		driver, env string
		moved       string // the query for the current value of the sequence
		setup       []string
	}{
		"postgres": {"pgx", "HEADGATE_POSTGRES_URL", "SELECT last_value + is_called::int FROM %s.numbers", []string{
			"CREATE FUNCTION %s.sneaky() RETURNS text LANGUAGE plpgsql VOLATILE AS $$ BEGIN INSERT INTO %[1]s.reading (id) VALUES (gen_random_uuid()::text); RETURN 'x'; END $$",
			"CREATE VIEW %s.inserts AS SELECT %[1]s.sneaky() AS id, 'x' AS name",
			"CREATE VIEW %s.counts AS SELECT nextval('%[1]s.numbers')::text AS id, 'x' AS name",
		}},
		"mariadb": {"mysql", "HEADGATE_MYSQL_URL", "SELECT next_not_cached_value FROM %s.numbers", []string{
			"CREATE FUNCTION %s.sneaky() RETURNS text NOT DETERMINISTIC MODIFIES SQL DATA BEGIN INSERT INTO %[1]s.reading (id) VALUES (uuid()); RETURN 'x'; END",
			"CREATE VIEW %s.inserts AS SELECT %[1]s.sneaky() AS id, 'x' AS name",
			"CREATE VIEW %s.counts AS SELECT CAST(NEXTVAL(%[1]s.numbers) AS CHAR(20)) AS id, 'x' AS name",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			schema, db, at := schemaOf(t, on.driver, on.env)
			for _, statement := range append([]string{
				"CREATE SEQUENCE %s.numbers", "CREATE TABLE %s.reading (id varchar(100) PRIMARY KEY, name varchar(100))",
				"INSERT INTO %s.reading VALUES ('a', 'x'), ('b', 'y')",
			}, on.setup...) {
				_, err := db.Exec(fmt.Sprintf(statement, schema))
				require.NoError(t, err, statement)
			}
			state := func() (s string) {
				var rows, at int64
				require.NoError(t, db.QueryRow("SELECT count(*) FROM "+schema+".reading").Scan(&rows))
				require.NoError(t, db.QueryRow(fmt.Sprintf(on.moved, schema)).Scan(&at))
				return fmt.Sprintf("%d rows, the sequence at %d", rows, at)
			}
			before := state()
			p := start(t, options{})
			resp, body, err := p.call("PUT", "/orgs/evil/reading/r1", `{"id":"r1","name":"to be pushed"}`, "Content-Type", "application/json")
			require.NoError(t, err)
			require.Less(t, resp.StatusCode, 300, "%s", body)
			records := p.records(t, "evil", "reading")
			defined := func(id string, tables map[string]any) {
				all := map[string]any{"tables": tables}
				if on.driver == "pgx" {
					all["schema"] = schema
				}
				text, err := json.Marshal(map[string]any{"type": "sql", "url": at, "selectedDatatypes": []string{"reading"}, "options": all})
				require.NoError(t, err)
				p.defined(t, id, string(text))
			}

			defined("honest", map[string]any{"reading": "reading"})
			run, answer := p.runWith(t, "honest", "validate")
			require.Equal(t, "finished", run.State, answer)
			require.Equal(t, int64(3), run.Counts.Created, "two come and one goes: %s", answer)
			require.Contains(t, answer, "to be pushed", "the plan has what a push would send")
			require.Equal(t, before, state())
			require.Equal(t, records, p.records(t, "evil", "reading"))

			for id, table := range map[string]any{
				"inserts": "inserts", "counts": "counts",
				"inserts-in-a-query": map[string]string{"query": "SELECT " + schema + ".sneaky() AS id, 'x' AS name"},
				"two-statements":     map[string]string{"query": "SELECT 1 AS id, 2 AS name) q; DELETE FROM " + schema + ".reading; SELECT id, name FROM (SELECT 1 AS id, 2 AS name"},
			} {
				defined(id, map[string]any{"reading": table})
				for _, method := range []string{"validate", "pull"} {
					run, answer := p.runWith(t, id, method)
					require.Equal(t, "failed", run.State, "%s %s: %s", id, method, answer)
					require.Equal(t, before, state(), "%s %s", id, method)
					require.Equal(t, records, p.records(t, "evil", "reading"))
				}
			}
		})
	}
}
