package e2e_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// flaky is a REST server that accepts any PATCH. After some of them it fails once, before
// or after the write.
type flaky struct {
	mu      sync.Mutex
	rows    map[string]string
	left    atomic.Int64 // PATCHes until the failure
	written bool         // the failing PATCH is written
}

func (f *flaky) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	id := strings.TrimPrefix(r.URL.Path, "/t/")
	switch {
	case r.Method == http.MethodGet && r.URL.Path == "/t":
		list := []map[string]string{}
		for id, v := range f.rows {
			list = append(list, map[string]string{"id": id, "v": v})
		}
		_ = json.NewEncoder(w).Encode(list)
	case r.Method == http.MethodGet:
		_ = json.NewEncoder(w).Encode(map[string]string{"id": id, "v": f.rows[id]})
	default:
		var in struct{ V string }
		_ = json.NewDecoder(r.Body).Decode(&in)
		fails := f.left.Add(-1) < 0
		if !fails || f.written {
			f.rows[id] = in.V
		}
		if fails {
			panic(http.ErrAbortHandler) // the connection is cut
		}
		_, _ = w.Write([]byte("{}"))
	}
}

// The source accepts a part of a push and then fails. Writes that are acknowledged before
// the next run are kept, and reach the source.
func TestAttackAPushThatFailsHalfway(t *testing.T) {
	t.Parallel()
	const rows = 10
	for name, written := range map[string]bool{"the last is not written": false, "its answers are lost": true} {
		for compares, options := range map[string]string{
			"and takes what arrives": `"update":{"url":"t/{id}"}`,
			"and is read before":     `"read":{"url":"t/{id}"},"update":{"url":"t/{id}"}`,
		} {
			t.Run(name+" "+compares, func(t *testing.T) {
				t.Parallel()
				f := &flaky{rows: map[string]string{}, written: written}
				f.left.Store(1 << 30)
				for i := range rows {
					f.rows[fmt.Sprint(i)] = "0"
				}
				server := httptest.NewServer(f)
				t.Cleanup(server.Close)
				p := start(t, quiet())
				p.define(t, fmt.Sprintf(`{"id":"s","orgId":"s","type":"both","datasource":{"type":"api","url":%q,"selectedDatatypes":["t"],
					"options":{"list":"t",%s}}}`, server.URL+"/", options))
				p.runWith(t, "s", "both")
				p.putAll(t, "A", rows)
				f.left.Store(6)
				run, _ := p.runWith(t, "s", "both")
				require.Equal(t, "failed", run.State)
				f.left.Store(1 << 30)
				p.putAll(t, "B", rows)
				for range 2 {
					run, _ = p.runWith(t, "s", "both")
					require.Equal(t, "finished", run.State, "%q", run.Errors)
				}
				f.mu.Lock()
				defer f.mu.Unlock()
				for id, r := range p.records(t, "s", "t") {
					require.Equal(t, "B", r["v"], "record %s", id)
					require.Equal(t, "B", f.rows[id], "row %s", id)
				}
			})
		}
	}
}

// quiet returns the options of a process that only syncs.
func quiet() options {
	return options{env: []string{`CONFIG={"serviceName":"s","trigger":{"type":"none","observationPeriod":60},"endpoints":[{"eventKey":"a"},{"eventKey":"b"}],
		"targetPubSub":{"topic":"projects/p/topics/sync"},"sync":{"directory":".","ratePerSecond":2000}}`}}
}

// putAll writes the records 0 to n-1, and requires that each is acknowledged.
func (p *process) putAll(t *testing.T, v string, n int) {
	t.Helper()
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprint(i)
	}
	require.NoError(t, parallel(ids, 8, func(id string) error {
		resp, body, err := p.call("PATCH", "/orgs/s/t/"+id, fmt.Sprintf(`{"v":%q}`, v), "Content-Type", "application/json")
		if err == nil && resp.StatusCode != 200 {
			err = fmt.Errorf("%d: %s", resp.StatusCode, body)
		}
		return err
	}))
}

// The process is killed right after the database has committed, or the file is replaced,
// and before the process has recorded that in its own store.
func TestAttackKilledAfterTheSourceCommitted(t *testing.T) {
	t.Parallel()
	if os.Getenv("HEADGATE_ATTACK") == "" {
		t.Skip("HEADGATE_ATTACK is not set: every round waits for a lease to run out")
	}
	const rows = 600
	for kind, datasource := range map[string]string{
		"sqlite": `{"type":"sql","url":"sqlite:x.db","selectedDatatypes":["t"]}`,
		"csv":    `{"type":"csv","fileUrl":"x.csv","selectedDatatypes":["t"]}`,
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			o := quiet()
			o.data = t.TempDir()
			var count func(v string) int
			if kind == "sqlite" {
				db, err := sql.Open("sqlite", filepath.Join(o.data, "x.db")+"?_pragma=busy_timeout(10000)")
				require.NoError(t, err)
				t.Cleanup(func() { require.NoError(t, db.Close()) })
				_, err = db.Exec(`CREATE TABLE t (id TEXT PRIMARY KEY, v TEXT);
					WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 599) INSERT INTO t SELECT CAST(i AS TEXT), '0' FROM n`)
				require.NoError(t, err)
				count = func(v string) (n int) {
					require.NoError(t, db.QueryRow("SELECT count(*) FROM t WHERE v = ?", v).Scan(&n))
					return n
				}
			} else {
				var b strings.Builder
				b.WriteString("id,v\n")
				for i := range rows {
					fmt.Fprintf(&b, "%d,0\n", i)
				}
				file := filepath.Join(o.data, "x.csv")
				require.NoError(t, os.WriteFile(file, []byte(b.String()), 0o600))
				count = func(v string) int {
					text, err := os.ReadFile(file)
					require.NoError(t, err)
					return strings.Count(string(text), ","+v+"\n")
				}
			}
			p := start(t, o)
			p.define(t, fmt.Sprintf(`{"id":"s","orgId":"s","type":"both","datasource":%s}`, datasource))
			run, _ := p.runWith(t, "s", "both")
			require.Equal(t, int64(rows), run.Counts.Created)
			for round := range 3 {
				first, second := fmt.Sprint("first-", round), fmt.Sprint("second-", round)
				p.putAll(t, first, rows)
				p.startSync(t, "s")
				for deadline := time.Now().Add(time.Minute); count(first) == 0; {
					require.True(t, time.Now().Before(deadline), "the push does not get on")
				}
				p.kill9()
				t.Logf("killed with %d rows written", count(first))
				p = p.restart(t).listens(t)
				p.putAll(t, second, rows)
				p.ended(t, "s")
				for range 2 {
					run, _ := p.runWith(t, "s", "both")
					require.Equal(t, "finished", run.State, "%q", run.Errors)
				}
				require.Equal(t, rows, count(second), "round %d", round)
				for id, r := range p.records(t, "s", "t") {
					require.Equal(t, second, r["v"], "record %s, round %d", id, round)
				}
			}
		})
	}
}
