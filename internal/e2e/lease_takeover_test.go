package e2e_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// tables is a REST server that ignores preconditions: it makes every write.
type tables struct {
	*httptest.Server
	mu      sync.Mutex
	rows    map[string]map[string]string // table, id → name
	written map[string]int               // name → how often it was written
	patches atomic.Int64
}

func newTables(t *testing.T) *tables {
	s := &tables{rows: map[string]map[string]string{}, written: map[string]int{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{table}/row", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		list := []map[string]string{}
		for id, name := range s.rows[r.PathValue("table")] {
			list = append(list, map[string]string{"id": id, "name": name})
		}
		_ = json.NewEncoder(w).Encode(list)
	})
	mux.HandleFunc("PATCH /{table}/row/{id}", func(w http.ResponseWriter, r *http.Request) {
		s.patches.Add(1)
		var in struct{ Name string }
		if json.NewDecoder(r.Body).Decode(&in) != nil || in.Name == "" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.rows[r.PathValue("table")][r.PathValue("id")] = in.Name
		s.written[in.Name]++
		_, _ = w.Write([]byte("{}"))
	})
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func (s *tables) add(table string, ids []string, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rows[table] = map[string]string{}
	for _, id := range ids {
		s.rows[table][id] = name
	}
}

func (s *tables) count(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.written[name]
}

func (s *tables) names(table string) map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]int{}
	for _, name := range s.rows[table] {
		out[name]++
	}
	return out
}

// A process is stopped (SIGSTOP) in the middle of its pushes, at any instruction. Another
// process takes over its runs, people edit records, and the edits are pushed. Then the
// first process resumes. It must send nothing of its old pushes, so that no acknowledged
// edit is lost (docs/decisions/012-fence-in-the-context.md). Each sync is one attempt.
func TestAttackStoppedHolderSendsNothing(t *testing.T) {
	t.Parallel()
	if os.Getenv("HEADGATE_ATTACK") == "" {
		t.Skip("HEADGATE_ATTACK is not set: every round waits for a lease to run out")
	}
	env, host, project := emulated(t)
	consume(t, host, project, nil)
	cfg := strings.TrimSuffix(service("e2e "+project, project), "}") + `,"sync":{"ratePerSecond":2000}}`
	env = append(env, "CONFIG="+cfg)
	const syncs, rows, wanted = 6, 40, 12
	server := newTables(t)
	data := t.TempDir()
	a, b := start(t, options{data: data, env: env}), start(t, options{data: data, env: env})
	var ids []string
	for i := range rows {
		ids = append(ids, fmt.Sprintf("r%03d", i))
	}
	for i := range syncs {
		name := fmt.Sprint("t", i)
		server.add(name, ids, "begin")
		b.define(t, fmt.Sprintf(`{"id":%q,"orgId":%q,"type":"both","datasource":{"type":"api","url":"%s/%s/","selectedDatatypes":["row"],
			"options":{"list":"row","update":{"url":"row/{id}"}}},"mapping":{"row":{"fields":{"name":{"from":"name"}}}}}`, name, name, server.URL, name))
	}
	edit := func(to string) {
		for i := range syncs {
			require.NoError(t, parallel(ids, 8, func(id string) error {
				resp, body, err := b.call("PATCH", fmt.Sprintf("/orgs/t%d/row/%s", i, id), fmt.Sprintf(`{"name":%q}`, to), "Content-Type", "application/json")
				if err == nil && resp.StatusCode != 200 {
					err = fmt.Errorf("%d: %s", resp.StatusCode, body)
				}
				return err
			}))
		}
	}
	runAll := func() {
		for i := range syncs {
			b.startSync(t, fmt.Sprint("t", i))
		}
		for i := range syncs {
			b.ended(t, fmt.Sprint("t", i))
		}
	}
	runAll()
	tries := 0
	for round := 0; tries < wanted; round++ {
		require.Less(t, round, 8, "the process is never stopped in the middle")
		first, second := fmt.Sprint("first-", round), fmt.Sprint("second-", round)
		edit(first)
		until := server.patches.Load() + 1 + rand.Int64N(syncs*rows*3/4)
		for i := range syncs {
			a.startSync(t, fmt.Sprint("t", i))
		}
		eventually(t, "the push gets on", func() error {
			if n := server.patches.Load(); n < until {
				return fmt.Errorf("%d of %d", n, until)
			}
			return nil
		})
		require.NoError(t, a.cmd.Process.Signal(syscall.SIGSTOP))
		lost := strings.Count(a.stderr.String(), "another process took the run over")
		taken := 0
		for i := range syncs {
			eventually(t, "the other takes over", func() error {
				if err := b.expect(200, "POST", "/sync/due"); err != nil {
					return err
				}
				list, err := try[struct{ Runs []syncRun }](b, "GET", fmt.Sprintf("/sync/t%d/runs?limit=1", i))
				if err != nil {
					return err
				}
				if run := list.Runs[0]; run.State != "finished" {
					return fmt.Errorf("%+v", run)
				} else if run.Invocations > 1 {
					taken++
				}
				return nil
			})
		}
		edit(second)
		runAll()
		before := server.count(first)
		require.NoError(t, a.cmd.Process.Signal(syscall.SIGCONT))
		eventually(t, "it finds out", func() error {
			if n := strings.Count(a.stderr.String(), "another process took the run over") - lost; n < taken {
				return fmt.Errorf("%d of %d runs ended", n, taken)
			}
			return nil
		})
		runAll()
		require.Equal(t, before, server.count(first), "stale writes of round %d", round)
		for i := range syncs {
			require.Equal(t, map[string]int{second: rows}, server.names(fmt.Sprint("t", i)), "at the source, round %d", round)
			for id, row := range b.records(t, fmt.Sprint("t", i), "row") {
				require.Equal(t, second, row["name"], "record %s of t%d, round %d", id, i, round)
			}
		}
		tries += taken
		t.Logf("round %d: %d runs were taken over", round, taken)
	}
}
