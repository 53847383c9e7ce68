package run_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/sync/mapping"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

const rightPassword, wrongPassword = "right-hunter2", "wrong-hunter2"

// faulty is a sync with a place outside that stops working for a while.
type faulty struct {
	*outside
	*world
	login string
}

// withFaults makes a sync with a login of its own, and runs it once with two rows. prepare,
// if it is not nil, changes the place before the sync is made.
func withFaults(t *testing.T, kind string, prepare func(o *outside)) *faulty {
	o := opens[kind](t, []string{"id", "name", "value"}, nil)
	f := &faulty{outside: o}
	if o.schema != "" {
		f.login = "login_" + o.schema
		f.makeLogin(t)
	}
	if prepare != nil {
		prepare(o)
	}
	f.world = worldWith(t, o, &mapping.Type{Fields: map[string]mapping.Field{"name": {From: "name"}, "value": {From: "value"}}})
	f.outside.put(map[string]string{"id": "a", "name": "a", "value": "1"})
	f.outside.put(map[string]string{"id": "b", "name": "b", "value": "1"})
	f.finished(syncrun.Start{})
	return f
}

// makeLogin makes a login that has only the rights that docs/sync.md asks for.
func (f *faulty) makeLogin(t *testing.T) {
	u, err := url.Parse(f.outside.datasource.URL)
	require.NoError(t, err)
	if f.outside.name == "postgres" {
		f.exec("DO $$ BEGIN CREATE ROLE headgate_passwords; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$")
		f.exec(fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD '%s' IN ROLE headgate_passwords", f.login, rightPassword))
		t.Cleanup(func() { f.exec("DROP OWNED BY " + f.login); f.exec("DROP ROLE " + f.login) })
		f.exec(fmt.Sprintf("GRANT USAGE ON SCHEMA %s TO %s", f.outside.schema, f.login))
		f.exec(fmt.Sprintf("GRANT SELECT, INSERT, UPDATE, DELETE ON %s.item TO %s", f.outside.schema, f.login))
	} else {
		f.exec(fmt.Sprintf("CREATE USER '%s'@'%%' IDENTIFIED BY '%s'", f.login, rightPassword))
		t.Cleanup(func() { f.exec("DROP USER '" + f.login + "'@'%'") })
		f.exec(fmt.Sprintf("GRANT SELECT, INSERT, UPDATE, DELETE ON %s.item TO '%s'@'%%'", f.outside.schema, f.login))
	}
	u.User = url.User(f.login)
	f.outside.datasource.URL = u.String()
	var options map[string]any
	if f.outside.datasource.Options != nil {
		require.NoError(t, json.Unmarshal(f.outside.datasource.Options, &options))
	} else {
		options = map[string]any{}
	}
	options["password"] = rightPassword
	f.outside.datasource.Options, err = json.Marshal(options)
	require.NoError(t, err)
}

// sql runs a statement in which LOGIN stands for the login.
func (f *faulty) sql(query string) { f.exec(strings.ReplaceAll(query, "LOGIN", f.login)) }

// survives checks that a run with the fault fails with the message, shows no password, and
// that the first run without the fault brings what both sides changed meanwhile.
func (f *faulty) survives(t *testing.T, says, breaks string, heal func()) {
	t.Helper()
	f.world.put("a", map[string]any{"name": "here", "value": "1"})
	f.world.put("new", map[string]any{"name": "new", "value": "2"})
	for range 2 {
		run := f.run(syncrun.Start{})
		require.Equal(t, syncrun.Failed, run.State, "%s", breaks)
		all := strings.Join(append(run.Errors, run.Warnings...), "\n")
		require.Contains(t, all, says, breaks)
		require.NotContains(t, all, "hunter2")
		require.Len(t, f.records(), 3)
		f.wait(time.Hour)
	}
	heal()
	f.outside.put(map[string]string{"id": "b", "name": "b", "value": "there"})
	for range 2 {
		f.finished(syncrun.Start{})
		f.wait(time.Hour)
	}
	rows := map[string]string{}
	for _, row := range f.outside.rows() {
		rows[row["id"]] = row["name"] + " " + row["value"]
	}
	require.Equal(t, map[string]string{"a": "here 1", "b": "b there", "new": "new 2"}, rows)
	records := map[string]string{}
	for id, data := range f.records() {
		records[id] = fmt.Sprint(data["name"], " ", data["value"])
	}
	require.Equal(t, rows, records)
}

// hasPasswords reports whether the server asks logins for passwords.
func (f *faulty) hasPasswords(t *testing.T) bool {
	if f.outside.name != "postgres" {
		return true
	}
	db, err := sql.Open("pgx", serverURL(t, "HEADGATE_POSTGRES_URL").String())
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	var n int
	require.NoError(t, db.QueryRow("SELECT count(*) FROM pg_hba_file_rules WHERE '+headgate_passwords' = ANY(user_name)").Scan(&n))
	return n > 0
}

// A password that the database refuses fails the run. The message names the login and the
// place, and no secret. Once the password is right, nothing is lost.
func TestARefusedPassword(t *testing.T) {
	t.Parallel()
	for kind, change := range map[string]string{"postgres": "ALTER ROLE LOGIN PASSWORD '%s'", "mysql": "ALTER USER 'LOGIN'@'%%' IDENTIFIED BY '%s'"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			f := withFaults(t, kind, nil)
			if !f.hasPasswords(t) {
				t.Skip("the server takes logins without a password: scripts/with-databases starts one that does not")
			}
			f.sql(fmt.Sprintf(change, wrongPassword))
			f.survives(t, " refuses the login: ", change, func() { f.sql(fmt.Sprintf(change, rightPassword)) })
		})
	}
}

// A login whose connections are all in use fails the run, and says so.
func TestTheLoginsConnectionsAreInUse(t *testing.T) {
	t.Parallel()
	for kind, limit := range map[string]string{"postgres": "ALTER ROLE LOGIN CONNECTION LIMIT 0", "mysql": "ALTER USER 'LOGIN'@'%' WITH MAX_USER_CONNECTIONS 1"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			f := withFaults(t, kind, nil)
			f.sql(limit)
			if kind == "postgres" {
				f.survives(t, " takes no more connections: ", limit, func() { f.sql("ALTER ROLE LOGIN CONNECTION LIMIT -1") })
				return
			}
			u := serverURL(t, "HEADGATE_MYSQL_URL")
			db, err := sql.Open("mysql", fmt.Sprintf("%s:%s@tcp(%s)/", f.login, rightPassword, u.Host))
			require.NoError(t, err)
			require.NoError(t, db.Ping())
			f.survives(t, " takes no more connections: ", limit, func() {
				require.NoError(t, db.Close())
				f.sql("ALTER USER 'LOGIN'@'%' WITH MAX_USER_CONNECTIONS 0")
			})
		})
	}
}

// A run takes one connection at a time, so that a login may be limited to one or a few.
func TestALoginWithFewConnections(t *testing.T) {
	t.Parallel()
	for kind, limit := range map[string]string{"postgres": "ALTER ROLE LOGIN CONNECTION LIMIT 1", "mysql": "ALTER USER 'LOGIN'@'%' WITH MAX_USER_CONNECTIONS 1"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			f := withFaults(t, kind, nil)
			f.sql(limit)
			for i := range 700 {
				f.world.put(fmt.Sprint("new", i), map[string]any{"name": "new", "value": "2"})
			}
			f.finished(syncrun.Start{})
			require.Len(t, f.outside.rows(), 702)
			f.finished(syncrun.Start{})
		})
	}
}
