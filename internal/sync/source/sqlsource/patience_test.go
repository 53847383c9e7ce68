package sqlsource

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/source"
)

// impatient opens the place with other times of waiting.
func (p *place) impatient(t *testing.T, w patience) *sqlSource {
	t.Helper()
	o, faults := parse(p.datasource(t))
	require.Empty(t, faults)
	o.wait = w
	e, err := openEngine(o, p.environment(t))
	require.NoError(t, err)
	s := &sqlSource{engine: e, options: o, tables: map[string]*table{}, readers: map[*reader]struct{}{}}
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// slowPage reads the first page of the datatype.
func slowPage(ctx context.Context, s *sqlSource, datatype string) error {
	r, err := s.Pull(ctx, source.Pull{Spec: source.Spec{Datatype: datatype, Key: []string{"id"}}, PageSize: 100})
	if err != nil {
		return err
	}
	_, err = r.Next(ctx)
	return errors.Join(err, r.Close())
}

var sleeps = map[*server]string{&onPostgres: "SELECT pg_sleep(600)::text AS id", &onMySQL: "SELECT SLEEP(600) AS id"}

// A query that takes too long fails with the time that it had, or with the database's own
// words. The connection that ends with it is not called lost.
func TestSlowQueriesAreTold(t *testing.T) {
	t.Parallel()
	for s, query := range sleeps {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, *s)
			p.options["tables"] = map[string]any{"q": map[string]any{"query": query}}
			w := usualPatience()
			w.page = 700 * time.Millisecond
			err := slowPage(t.Context(), p.impatient(t, w), "q")
			require.ErrorContains(t, err, "the database took longer than 700ms")
			require.Equal(t, fault.Unavailable, fault.CodeOf(err))

			w = usualPatience()
			w.statement = 700 * time.Millisecond
			err = slowPage(t.Context(), p.impatient(t, w), "q")
			require.ErrorContains(t, err, "the database stopped the statement: ")
			require.Regexp(t, "statement timeout|max_statement_time exceeded", err.Error())
			require.Equal(t, fault.Unavailable, fault.CodeOf(err))

			ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
			defer cancel()
			err = slowPage(ctx, p.impatient(t, usualPatience()), "q")
			require.ErrorIs(t, err, context.DeadlineExceeded)
			if f, ok := errors.AsType[*fault.Error](err); ok {
				require.Equal(t, `the query of "q" cannot be read`, f.Message, "the caller's own time was over")
			}
		})
	}
}

// A push that waits for another program's lock fails with the cause, writes nothing, and is
// done once the lock is gone.
func TestAPushThatWaitsForALock(t *testing.T) {
	t.Parallel()
	for name, limit := range map[string]func(w *patience){
		"took longer than 700ms":  func(w *patience) { w.push = 700 * time.Millisecond },
		"stopped the statement: ": func(w *patience) { w.statement = 700 * time.Millisecond },
	} {
		for _, s := range []server{onPostgres, onMySQL} {
			t.Run(s.name+" "+name, func(t *testing.T) {
				t.Parallel()
				p := newReadings(t, s, false, false)
				p.exec(t, "INSERT INTO reading (id, name) VALUES ('a', 'old')")
				w := usualPatience()
				limit(&w)
				src := p.impatient(t, w)
				change := []source.Change{
					{Op: source.Update, ID: "a", Key: []any{"a"}, Changed: []string{"name"}, Fields: map[string]any{"name": "new"}, Expect: map[string]any{"name": "old"}},
					{Op: source.Create, ID: "b", Key: []any{"b"}, Fields: map[string]any{"name": "b"}},
				}
				tx, err := p.db.Begin()
				require.NoError(t, err)
				_, err = tx.Exec("UPDATE reading SET value = 1 WHERE id = 'a'")
				require.NoError(t, err)
				_, err = src.Push(t.Context(), p.spec, change)
				require.ErrorContains(t, err, name)
				require.Equal(t, fault.Unavailable, fault.CodeOf(err))
				require.NoError(t, tx.Commit())
				require.Equal(t, 1, p.count(t, "SELECT count(*) FROM reading"))

				results, err := p.impatient(t, usualPatience()).Push(t.Context(), p.spec, change)
				require.NoError(t, err)
				for _, r := range results {
					require.NoError(t, r.Err)
				}
				require.Equal(t, 2, p.count(t, "SELECT count(*) FROM reading WHERE name IN ('new', 'b')"))
			})
		}
	}
}

// Whatever a database says when a person ends a statement or its connection, the message has
// it, and the next call works.
func TestStatementsThatAnAdministratorEnds(t *testing.T) {
	t.Parallel()
	const running, processes = "SELECT pid FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%TAG%' AND pid <> pg_backend_pid()",
		"SELECT id FROM information_schema.processlist WHERE info LIKE '%TAG%' AND id <> CONNECTION_ID()"
	for _, test := range []struct{ server, find, end, says string }{
		{"postgres", running, "SELECT pg_cancel_backend(%d)", "canceling statement due to user request"},
		{"postgres", running, "SELECT pg_terminate_backend(%d)", "terminating connection due to administrator command"},
		{"mysql", processes, "KILL QUERY %d", "interrupted"},
		{"mysql", processes, "KILL %d", "(?i)connection.* was (killed|lost)"},
	} {
		t.Run(test.end, func(t *testing.T) {
			t.Parallel()
			s := map[string]server{"postgres": onPostgres, "mysql": onMySQL}[test.server]
			sleep := map[string]string{"postgres": "pg_sleep(CASE id WHEN 'slow' THEN 600 ELSE 0 END)", "mysql": "SLEEP(IF(id = 'slow', 600, 0))"}[test.server]
			p := newReadings(t, s, false, false)
			p.exec(t, "INSERT INTO reading (id) VALUES ('slow')")
			from := "reading"
			if schema, ok := p.options["schema"].(string); ok {
				from = schema + ".reading"
			}
			tag := fmt.Sprintf("tag%016x", rand.Uint64())
			p.options["tables"] = map[string]any{"q": map[string]any{"query": "SELECT id, " + sleep + " AS s FROM " + from + " WHERE '" + tag + "' <> ''"}}
			src := p.impatient(t, usualPatience())
			ended := make(chan error, 1)
			go func() { ended <- slowPage(t.Context(), src, "q") }()
			var err error
			require.Eventually(t, func() bool {
				rows, qerr := p.db.Query(strings.ReplaceAll(test.find, "TAG", tag))
				require.NoError(t, qerr)
				var ids []int
				for rows.Next() {
					var id int
					require.NoError(t, rows.Scan(&id))
					ids = append(ids, id)
				}
				require.NoError(t, errors.Join(rows.Err(), rows.Close()))
				for _, id := range ids {
					_, _ = p.db.Exec(fmt.Sprintf(test.end, id)) // it may have ended meanwhile
				}
				select {
				case err = <-ended:
					return true
				default:
					return false
				}
			}, time.Minute, 20*time.Millisecond)
			f, ok := errors.AsType[*fault.Error](err)
			require.True(t, ok, "%v", err)
			require.Regexp(t, test.says, f.Message)
			require.Equal(t, fault.Unavailable, f.Code)
			p.exec(t, "UPDATE reading SET id = 'fast'")
			require.NoError(t, slowPage(t.Context(), src, "q"))
		})
	}
}
