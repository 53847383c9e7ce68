package e2e_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// over waits until the latest run has ended, in any state.
func (p *process) over(t *testing.T, id string) (run syncRun) {
	t.Helper()
	eventually(t, "the run ends", func() error {
		list, err := try[struct{ Runs []syncRun }](p, "GET", "/sync/"+id+"/runs?limit=1")
		if err != nil {
			return err
		}
		if len(list.Runs) == 0 {
			return errors.New("there is no run")
		}
		if run = list.Runs[0]; run.State == "pending" || run.State == "running" {
			return fmt.Errorf("it is %s", run.State)
		}
		return nil
	})
	return run
}

// Runs take turns: only a few of their pages are in memory at once, and every run ends.
func TestAttackMemoryRuns(t *testing.T) {
	t.Parallel()
	attacking(t)
	for _, limit := range []int{512, 1024} {
		t.Run(fmt.Sprintf("%d MiB", limit), func(t *testing.T) {
			const syncs, rows = 20, 30
			data := t.TempDir()
			var b strings.Builder
			b.WriteString("well,value\n")
			for i := range rows {
				fmt.Fprintf(&b, "w%d,%s\n", i, strings.Repeat("x", 800_000))
			}
			require.NoError(t, os.WriteFile(filepath.Join(data, "wells.csv"), []byte(b.String()), 0o600))
			p := startLimited(t, limit*mib, options{data: data, env: events("")})
			for i := range syncs {
				p.process.define(t, fmt.Sprintf(`{"id":"s%d","orgId":"o%d","type":"pull","datasource":{"type":"csv","fileUrl":"wells.csv","selectedDatatypes":["reading"]},
					"mapping":{"reading":{"key":["well"],"fields":{"value":{"from":"value"}}}}}`, i, i))
			}
			for i := range syncs {
				p.startSync(t, fmt.Sprint("s", i))
			}
			for i := range syncs {
				run := p.over(t, fmt.Sprint("s", i))
				require.Equal(t, "finished", run.State, "%q", run.Errors)
				require.Equal(t, int64(rows), run.Counts.Created)
			}
			p.survives(t)
		})
	}
}

// A system outside sends answers that would take gigabytes once decoded. Its runs fail
// with that reason, and nothing else fails.
func TestAttackMemoryWideAnswers(t *testing.T) {
	t.Parallel()
	attacking(t)
	wide := []byte(`[{"id":"1","v":[1` + strings.Repeat(",1", 30*mib) + `]}]`)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.Copy(w, bytes.NewReader(wide))
	}))
	t.Cleanup(server.Close)
	p := startLimited(t, 1024*mib, options{env: events("")})
	const syncs = 4
	for i := range syncs {
		p.process.define(t, fmt.Sprintf(`{"id":"s%d","orgId":"o%d","type":"pull","datasource":{"type":"api","url":"%s/","selectedDatatypes":["row"],
			"options":{"list":"row"}},"mapping":{"row":{"fields":{"v":{"from":"v"}}}}}`, i, i, server.URL))
	}
	for i := range syncs {
		p.startSync(t, fmt.Sprint("s", i))
	}
	for i := range syncs {
		run := p.over(t, fmt.Sprint("s", i))
		require.Equal(t, "failed", run.State)
		require.Contains(t, fmt.Sprint(run.Errors), "memory")
	}
	p.survives(t)
}
