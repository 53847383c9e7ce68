package client_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"
	"pgregory.net/rapid"

	"github.com/headgate/headgate/client"
)

// database is a new database with a table of work.
type database struct {
	*sql.DB
	dialect client.Dialect
	insert  string // of a row of work
}

// databases calls test with a database of each kind, on servers that the environment names.
func databases(t *testing.T, test func(*testing.T, database)) {
	kinds := map[string]func(*testing.T) database{"SQLite": openSQLite, "PostgreSQL": openPostgres, "MariaDB": openMariaDB}
	for name, open := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := open(t)
			d.SetMaxOpenConns(20)
			t.Cleanup(func() { require.NoError(t, d.Close()) })
			_, err := d.Exec("CREATE TABLE work (id varchar(255) NOT NULL)")
			require.NoError(t, err)
			test(t, d)
		})
	}
}

func openSQLite(t *testing.T) database {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "work.db")+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(20000)")
	require.NoError(t, err)
	return database{db, client.SQLite, "INSERT INTO work (id) VALUES (?)"}
}

func openPostgres(t *testing.T) database {
	u, name := serverURL(t, "HEADGATE_POSTGRES_URL"), newName()
	server, err := sql.Open("pgx", u.String())
	require.NoError(t, err)
	_, err = server.Exec("CREATE SCHEMA " + name)
	require.NoError(t, err)
	t.Cleanup(func() {
		_, _ = server.Exec("DROP SCHEMA " + name + " CASCADE")
		_ = server.Close()
	})
	q := u.Query()
	q.Set("options", "-csearch_path="+name)
	u.RawQuery = q.Encode()
	db, err := sql.Open("pgx", u.String())
	require.NoError(t, err)
	return database{db, client.PostgreSQL, "INSERT INTO work (id) VALUES ($1)"}
}

func openMariaDB(t *testing.T) database {
	u, name := serverURL(t, "HEADGATE_MYSQL_URL"), newName()
	password, _ := u.User.Password()
	address := fmt.Sprintf("%s:%s@tcp(%s)/", u.User.Username(), password, u.Host)
	server, err := sql.Open("mysql", address)
	require.NoError(t, err)
	_, err = server.Exec("CREATE DATABASE " + name)
	require.NoError(t, err)
	t.Cleanup(func() {
		_, _ = server.Exec("DROP DATABASE " + name)
		_ = server.Close()
	})
	// Found rows are counted as affected there: the store must not depend on that.
	db, err := sql.Open("mysql", address+name+"?clientFoundRows=true")
	require.NoError(t, err)
	return database{db, client.MySQL, "INSERT INTO work (id) VALUES (?)"}
}

func serverURL(t *testing.T, variable string) *url.URL {
	raw := os.Getenv(variable)
	if raw == "" {
		require.Empty(t, os.Getenv("HEADGATE_REQUIRE_DATABASES"), "%s is needed: run the tests with scripts/with-databases", variable)
		t.Skipf("%s is not set: scripts/with-databases sets it", variable)
	}
	u, err := url.Parse(raw)
	require.NoError(t, err)
	return u
}

func newName() string { return fmt.Sprintf("client_%016x", rand.Uint64()) }

// done returns how often the work of each message is committed.
func (d database) done(t require.TestingT) map[string]int {
	rows, err := d.Query("SELECT id FROM work")
	require.NoError(t, err)
	defer rows.Close()
	done := map[string]int{}
	for rows.Next() {
		var id string
		require.NoError(t, rows.Scan(&id))
		done[id]++
	}
	require.NoError(t, rows.Err())
	return done
}

func message(id string) []byte { return fmt.Appendf(nil, `{"eventID":%q,"events":{}}`, id) }

var errBusy = errors.New("busy")

// consumer handles a message as the context says.
func (d database) consumer(name string) *client.Consumer[*sql.Tx] {
	c := client.Consume(client.NewSQLStore(d.DB, d.dialect, name), func(ctx context.Context, tx *sql.Tx, m *client.Message) error {
		if _, err := tx.ExecContext(ctx, d.insert, m.EventID); err != nil {
			return err
		}
		switch ctx.Value(outcome{}) {
		case "fails":
			return errBusy
		case "fails for good":
			return client.Permanent(errBusy)
		case "panics":
			panic(errBusy)
		default:
			return nil
		}
	})
	c.Report = func(context.Context, *client.Message, error) {}
	return c
}

type outcome struct{}

// deliver delivers a message, and reports whether it is acknowledged.
func deliver(ctx context.Context, c *client.Consumer[*sql.Tx], id, how string) (acknowledged bool) {
	defer func() { _ = recover() }()
	return c.Receive(context.WithValue(ctx, outcome{}, how), message(id), nil) == nil
}

// However deliveries come, and whatever becomes of them: work is committed at most once, and
// a message that was acknowledged is handled, or failed for good.
func TestConcurrentDeliveriesHaveOneEffect(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, d database) {
		run := 0
		rapid.Check(t, func(t *rapid.T) {
			run++
			name := fmt.Sprint("run ", run)
			c := d.consumer(name)
			require.NoError(t, client.NewSQLStore(d.DB, d.dialect, name).CreateTable(context.Background()))
			_, err := d.Exec("DELETE FROM work")
			require.NoError(t, err)
			type delivery struct {
				id, how      string
				acknowledged bool
			}
			deliveries := make([]delivery, rapid.IntRange(2, 12).Draw(t, "deliveries"))
			for i := range deliveries {
				deliveries[i].id = rapid.SampledFrom([]string{"a", "b", "A"}).Draw(t, "id")
				deliveries[i].how = rapid.SampledFrom([]string{"", "", "fails", "fails for good", "panics"}).Draw(t, "outcome")
			}
			var wg sync.WaitGroup
			for i := range deliveries {
				wg.Go(func() {
					deliveries[i].acknowledged = deliver(context.Background(), c, deliveries[i].id, deliveries[i].how)
				})
			}
			wg.Wait()
			done := d.done(t)
			for _, one := range deliveries {
				require.LessOrEqual(t, done[one.id], 1)
				switch {
				case one.how == "" && one.acknowledged:
					require.Equal(t, 1, done[one.id], "an acknowledged message is handled")
				case one.how == "fails" || one.how == "panics":
					require.True(t, !one.acknowledged || done[one.id] == 1, "only a message that another delivery handled is acknowledged")
				}
			}
			for _, one := range deliveries { // what was not acknowledged is delivered again
				require.True(t, deliver(context.Background(), c, one.id, ""))
			}
			for id, n := range d.done(t) {
				require.Equal(t, 1, n, id)
			}
		})
	})
}

// A delivery that finds another one at work waits for its end, and takes its place if it
// fails.
func TestASecondDeliveryWaitsForTheFirst(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, d database) {
		store := client.NewSQLStore(d.DB, d.dialect, "job")
		require.NoError(t, store.CreateTable(t.Context()))
		for id, fails := range map[string]bool{"x": false, "y": true} {
			working, end, second := make(chan struct{}), make(chan error, 1), make(chan error, 1)
			first := make(chan error, 1)
			calls := 0
			go func() {
				first <- store.Once(t.Context(), id, func(ctx context.Context, tx *sql.Tx) error {
					close(working)
					return <-end
				})
			}()
			<-working
			go func() {
				second <- store.Once(t.Context(), id, func(context.Context, *sql.Tx) error { calls++; return nil })
			}()
			if fails {
				end <- errBusy
				require.ErrorIs(t, <-first, errBusy)
				require.NoError(t, <-second)
				require.Equal(t, 1, calls)
				continue
			}
			end <- nil
			require.NoError(t, <-first)
			require.NoError(t, <-second)
			require.Zero(t, calls)
		}
	})
}

func TestJobsOfOneDatabaseAreApart(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, d database) {
		one := client.NewSQLStore(d.DB, d.dialect, "one")
		var wg sync.WaitGroup
		errs := make([]error, 8)
		for i := range errs { // instances that start at once
			wg.Go(func() { errs[i] = one.CreateTable(t.Context()) })
		}
		wg.Wait()
		require.NoError(t, errors.Join(errs...))
		for _, name := range []string{"one", "two", "One", "one", "two "} {
			require.True(t, deliver(t.Context(), d.consumer(name), "x", ""))
		}
		require.Equal(t, map[string]int{"x": 4}, d.done(t), "each job handles every message, and only once")

		n, err := one.Forget(t.Context(), time.Now().Add(-time.Hour))
		require.NoError(t, err)
		require.Zero(t, n)
		n, err = one.Forget(t.Context(), time.Now().Add(time.Minute))
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
		require.True(t, deliver(t.Context(), d.consumer("one"), "x", ""))
		require.True(t, deliver(t.Context(), d.consumer("two"), "x", ""))
		require.Equal(t, map[string]int{"x": 5}, d.done(t))
	})
}

// A database that fails makes a delivery come again, and nothing else.
func TestADatabaseThatFails(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, d database) {
		require.False(t, deliver(t.Context(), d.consumer("job"), "x", ""), "there is no table")
		require.NoError(t, client.NewSQLStore(d.DB, d.dialect, "job").CreateTable(t.Context()))
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		require.False(t, deliver(ended, d.consumer("job"), "x", ""))
		require.Empty(t, d.done(t))
		require.True(t, deliver(t.Context(), d.consumer("job"), "x", ""))
		require.Equal(t, map[string]int{"x": 1}, d.done(t))
	})
}
