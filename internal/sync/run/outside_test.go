package run_test

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/headgate/headgate/internal/record/entity"
	"github.com/headgate/headgate/internal/store/drivertest"
	"github.com/headgate/headgate/internal/sync/definition"
	"github.com/headgate/headgate/internal/sync/mapping"
	syncrun "github.com/headgate/headgate/internal/sync/run"
	"github.com/headgate/headgate/internal/sync/source"
	"github.com/headgate/headgate/internal/sync/source/apisource"
	"github.com/headgate/headgate/internal/sync/source/csvsource"
	"github.com/headgate/headgate/internal/sync/source/sourcetest"
	"github.com/headgate/headgate/internal/sync/source/sqlsource"
)

// outside is a place with the rows of the datatype item, as a real kind of source reads it.
// Its columns hold text, unless types names another type of a database.
type outside struct {
	name       string
	datasource source.Datasource
	dir        string // of its files
	put        func(row map[string]string)
	rows       func() []map[string]string
	exec       func(query string) // of a database
	schema     string             // or database of the table
}

// columnTypes holds the columns' types in a database.
type columnTypes map[string]string

// opens holds how each kind of place is made.
var opens = map[string]func(t *testing.T, columns []string, types columnTypes) *outside{
	"csv": csvOutside, "api": apiOutside, "sqlite": sqliteOutside, "postgres": postgresOutside, "mysql": mysqlOutside,
}

// worldWith returns a world whose sync goes both ways with o.
func worldWith(t *testing.T, o *outside, m *mapping.Type) *world {
	w := &world{t: t, store: drivertest.SQLite(t)}
	w.clock.Store(1_772_600_000_000_000)
	kinds := source.NewRegistry(csvsource.Kind(), sqlsource.Kind(), apisource.Kind())
	dir, err := os.OpenRoot(o.dir)
	require.NoError(t, err)
	t.Cleanup(func() { _ = dir.Close() })
	env := source.Env{HTTP: sourcetest.HTTP(t), DialContext: new(net.Dialer).DialContext, Dir: dir, Now: w.now, AllowHTTP: true}
	w.ents = entity.New(entity.Options{Docs: w.store, Now: w.now})
	w.defs = definition.New(definition.Options{
		Docs: w.store, Runs: syncrun.NewLedger(w.store, w.now), Kinds: kinds, Env: env, Now: w.now, Random: w.id,
	})
	w.svc = syncrun.New(syncrun.Options{Docs: w.store, Definitions: w.defs, Kinds: kinds, Env: env, Now: w.now, Random: w.id, Log: slog.New(slog.DiscardHandler)})
	t.Cleanup(func() { require.NoError(t, w.svc.Close(context.Background())) })
	o.datasource.SelectedDatatypes = []string{"item"}
	w.def = &definition.Sync{
		ID: "s", OrgID: "acme", Type: definition.Both, Datasource: o.datasource, Mapping: map[string]*mapping.Type{"item": m}, MaxDeletes: new(100.0),
	}
	def := *w.def
	_, err = w.defs.Create(t.Context(), &def)
	require.NoError(t, err)
	return w
}

func csvOutside(t *testing.T, columns []string, _ columnTypes) *outside {
	o := &outside{name: "csv", dir: t.TempDir(), datasource: source.Datasource{Type: "csv", FileURL: "items.csv"}}
	file := filepath.Join(o.dir, "items.csv")
	require.NoError(t, os.WriteFile(file, []byte(strings.Join(columns, ";")+"\n"), 0o600))
	o.rows = func() []map[string]string {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		var out []map[string]string
		for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n")[1:] {
			row := map[string]string{}
			for i, cell := range strings.Split(line, ";") {
				if strings.HasPrefix(cell, `"`) {
					cell = strings.ReplaceAll(cell[1:len(cell)-1], `""`, `"`)
				}
				row[columns[i]] = cell
			}
			out = append(out, row)
		}
		return out
	}
	o.put = func(row map[string]string) {
		lines := strings.Join(columns, ";") + "\n"
		for _, r := range append(slices.DeleteFunc(o.rows(), func(r map[string]string) bool { return r["id"] == row["id"] }), row) {
			cells := make([]string, len(columns))
			for i, c := range columns {
				cells[i] = `"` + strings.ReplaceAll(r[c], `"`, `""`) + `"`
			}
			lines += strings.Join(cells, ";") + "\n"
		}
		require.NoError(t, os.WriteFile(file, []byte(lines), 0o600))
	}
	return o
}

func sqliteOutside(t *testing.T, columns []string, types columnTypes) *outside {
	o := &outside{name: "sqlite", dir: t.TempDir(), datasource: source.Datasource{Type: "sql", URL: "sqlite:some.db"}}
	o.table(t, "sqlite", "file:"+filepath.Join(o.dir, "some.db")+"?_pragma=busy_timeout(10000)", columns, types)
	return o
}

// serverURL returns the URL of a database server, or skips the test if there is none.
func serverURL(t *testing.T, env string) *url.URL {
	raw := os.Getenv(env)
	if raw == "" {
		require.Empty(t, os.Getenv("HEADGATE_REQUIRE_DATABASES"), "%s is not set", env)
		t.Skip("set " + env + " to run the test")
	}
	u, err := url.Parse(raw)
	require.NoError(t, err)
	return u
}

func postgresOutside(t *testing.T, columns []string, types columnTypes) *outside {
	u := serverURL(t, "HEADGATE_POSTGRES_URL")
	name := fmt.Sprintf("test_%016x", rand.Uint64())
	o := &outside{name: "postgres", schema: name, dir: t.TempDir(), datasource: source.Datasource{Type: "sql", URL: u.String(), Options: []byte(`{"schema":"` + name + `"}`)}}
	db, err := sql.Open("pgx", u.String())
	require.NoError(t, err)
	_, err = db.Exec("CREATE SCHEMA " + name)
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := db.Exec("DROP SCHEMA " + name + " CASCADE")
		require.NoError(t, err)
		require.NoError(t, db.Close())
	})
	q := u.Query()
	q.Set("options", "-csearch_path="+name+",public")
	u.RawQuery = q.Encode()
	_, err = db.Exec("CREATE COLLATION " + name + ".folded (provider = icu, locale = 'und-u-ks-level2', deterministic = false)")
	require.NoError(t, err)
	o.table(t, "pgx", u.String(), columns, types)
	return o
}

func mysqlOutside(t *testing.T, columns []string, types columnTypes) *outside {
	u := serverURL(t, "HEADGATE_MYSQL_URL")
	name := fmt.Sprintf("test_%016x", rand.Uint64())
	password, _ := u.User.Password()
	dsn := func(database string) string {
		return fmt.Sprintf("%s:%s@tcp(%s)/%s?collation=utf8mb4_bin", u.User.Username(), password, u.Host, database)
	}
	db, err := sql.Open("mysql", dsn(""))
	require.NoError(t, err)
	_, err = db.Exec("CREATE DATABASE " + name + " CHARACTER SET utf8mb4")
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := db.Exec("DROP DATABASE " + name)
		require.NoError(t, err)
		require.NoError(t, db.Close())
	})
	u.Path = "/" + name
	o := &outside{name: "mysql", schema: name, dir: t.TempDir(), datasource: source.Datasource{Type: "sql", URL: u.String()}}
	o.table(t, "mysql", dsn(name), columns, types)
	return o
}

// table makes the table item. Its key is the column id.
func (o *outside) table(t *testing.T, driver, dsn string, columns []string, types columnTypes) {
	db, err := sql.Open(driver, dsn)
	require.NoError(t, err)
	db.SetMaxOpenConns(2)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	var defined []string
	for _, c := range columns {
		typ := "varchar(100)"
		if types[c] != "" {
			typ = types[c]
		}
		if c == "id" {
			typ += " PRIMARY KEY"
		}
		defined = append(defined, c+" "+typ)
	}
	o.exec = func(query string) {
		_, err := db.Exec(query)
		require.NoError(t, err, query)
	}
	o.exec("CREATE TABLE item (" + strings.Join(defined, ", ") + ")")
	o.put = func(row map[string]string) {
		names := slices.Sorted(maps.Keys(row))
		var values []string
		for _, n := range names {
			values = append(values, "'"+strings.ReplaceAll(row[n], "'", "''")+"'")
		}
		_, err := db.Exec("DELETE FROM item WHERE id = '" + row["id"] + "'")
		require.NoError(t, err)
		_, err = db.Exec("INSERT INTO item (" + strings.Join(names, ", ") + ") VALUES (" + strings.Join(values, ", ") + ")")
		require.NoError(t, err)
	}
	o.rows = func() []map[string]string {
		r, err := db.Query("SELECT " + strings.Join(columns, ", ") + " FROM item ORDER BY id")
		require.NoError(t, err)
		defer func() { _ = r.Close() }()
		out, values, into := []map[string]string{}, make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		for r.Next() {
			require.NoError(t, r.Scan(into...))
			row := map[string]string{}
			for i, c := range columns {
				row[c] = values[i].String
			}
			out = append(out, row)
		}
		require.NoError(t, r.Err())
		return out
	}
}
