package e2e_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// readingsOf returns the definition of a sync of a CSV file.
func readingsOf(id, file, more string) string {
	return fmt.Sprintf(`{"id":%q,"orgId":"acme","type":"pull","datasource":{"type":"csv","fileUrl":%q,"selectedDatatypes":["reading"]},
		"mapping":{"reading":{"key":["well"],"fields":{"value":{"from":"value","type":"number","required":true}}}}%s}`, id, file, more)
}

// wells writes a CSV file of n rows. In every bad-th row, the value is not a number.
func wells(t *testing.T, dir, name string, n, bad int) {
	t.Helper()
	var b strings.Builder
	b.WriteString("well,value\n")
	for i := range n {
		if bad > 0 && i%bad == bad-1 {
			fmt.Fprintf(&b, "w%07d,high\n", i)
			continue
		}
		fmt.Fprintf(&b, "w%07d,%d.5\n", i, i)
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(b.String()), 0o600))
}

func TestSyncCommand(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	wells(t, dir, "good.csv", 500, 0)
	wells(t, dir, "bad.csv", 500, 100)
	def := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	cfg := `{"serviceName":"s","trigger":{"type":"none","observationPeriod":60},"endpoints":[{"eventKey":"a"},{"eventKey":"b"}],
		"targetPubSub":{"topic":"projects/p/topics/sync"},"sync":{"directory":"` + dir + `"}}`
	run := func(args ...string) (int, string, string) {
		return command(t, []string{"CONFIG=" + cfg}, append(append([]string{"sync"}, args...), "--data", filepath.Join(dir, "data"))...)
	}
	good := def("good.json", readingsOf("good", "good.csv", ""))
	code, out, errs := run("run", good, "--validate")
	require.Zero(t, code, errs)
	require.Contains(t, out, "would create reading w0000000 value: nothing → 0.5")
	code, out, errs = run("run", good)
	require.Zero(t, code, errs)
	require.Regexp(t, `pull\s+reading\s+500\s+500\s`, out)
	code, out, _ = run("run", good, "--json")
	require.Zero(t, code)
	var shown struct {
		State  string
		Counts struct{ Read, Created, Unchanged int }
	}
	require.NoError(t, json.Unmarshal([]byte(out), &shown))
	require.Equal(t, 500, shown.Counts.Unchanged)

	code, out, _ = run("run", def("bad.json", readingsOf("bad", "bad.csv", "")))
	require.Equal(t, 3, code, "some rows were rejected")
	require.Contains(t, out, "5 rejected: "+binary+" sync rejects bad --data "+filepath.Join(dir, "data"), "what the person can type")
	code, out, _ = run("rejects", "bad")
	require.Zero(t, code)
	require.Equal(t, 5, strings.Count(out, "value  "), out)
	code, out, _ = run("list")
	require.Zero(t, code)
	require.Contains(t, out, "good")
	code, out, _ = run("runs", "good")
	require.Zero(t, code)
	require.Equal(t, 3, strings.Count(out, "finished"), out)

	code, _, errs = run("run", def("none.json", readingsOf("none", "none.csv", "")))
	require.Equal(t, 1, code)
	require.Contains(t, errs, "none.csv")
	code, _, errs = run("run", def("typo.json", readingsOf("typo", "good.csv", `,"colour":1`)))
	require.Equal(t, 1, code)
	require.Contains(t, errs, "colour")
	code, _, errs = run("run", def("outside.json", readingsOf("outside", "../../etc/passwd", "")))
	require.Equal(t, 1, code)
	require.NotContains(t, errs, "root:")
	code, _, _ = run("runs", "nobody")
	require.Equal(t, 1, code)
	code, _, errs = run("dance")
	require.Equal(t, 2, code)
	require.Contains(t, errs, "run {ID | FILE}")
}

type syncRun struct {
	ID, State    string
	Invocations  int
	Errors       []string
	EventID      string
	Counts       struct{ Read, Created, Updated, Deleted, Unchanged, Rejected int64 }
	CursorBefore any
}

func (p *process) define(t *testing.T, def string) {
	t.Helper()
	resp, body, err := p.call("POST", "/sync", def, "Content-Type", "application/json")
	require.NoError(t, err)
	require.Equal(t, 201, resp.StatusCode, "%s", body)
}

func (p *process) startSync(t *testing.T, id string) syncRun {
	t.Helper()
	resp, body, err := p.call("POST", "/sync/"+id+"/run", "")
	require.NoError(t, err)
	require.Equal(t, 202, resp.StatusCode, "%s", body)
	var run syncRun
	require.NoError(t, json.Unmarshal(body, &run))
	return run
}

// ended waits until the latest run has ended, and requires that it succeeded.
func (p *process) ended(t *testing.T, id string) (run syncRun) {
	t.Helper()
	eventually(t, "the run ends", func() error {
		list, err := try[struct{ Runs []syncRun }](p, "GET", "/sync/"+id+"/runs?limit=1")
		if err != nil {
			return err
		}
		if len(list.Runs) == 0 {
			return fmt.Errorf("there is no run")
		}
		if run = list.Runs[0]; run.State == "pending" || run.State == "running" {
			return fmt.Errorf("it is %s at %d rows", run.State, run.Counts.Read)
		}
		return nil
	})
	require.Equal(t, "finished", run.State, "%q", run.Errors)
	return run
}

// records returns the records of an organisation, and requires that none is listed twice.
func (p *process) records(t *testing.T, org, typ string) map[string]map[string]any {
	t.Helper()
	out := map[string]map[string]any{}
	for after := ""; ; {
		page := read[struct {
			Records []struct {
				ID   string
				Data map[string]any
			}
			Next *string
		}](t, p, "GET", "/orgs/"+org+"/"+typ+"?limit=1000&after="+after)
		for _, r := range page.Records {
			if _, twice := out[r.ID]; twice {
				require.Fail(t, "a record is there twice", r.ID)
			}
			out[r.ID] = r.Data
		}
		if page.Next == nil {
			return out
		}
		after = *page.Next
	}
}

// The process is killed repeatedly in the middle of a run. The run resumes each time from
// its last checkpoint, and has the same result as without a crash.
func TestSyncResumesAfterKill9(t *testing.T) {
	t.Parallel()
	slow(t)
	const rows = 60_000
	data := t.TempDir()
	wells(t, data, "wells.csv", rows, 0)
	p := start(t, options{data: data, addr: fixedPort(t), env: []string{"CONFIG=" + service("kill", "p")}})
	p.define(t, readingsOf("wells", "wells.csv", ""))
	first := p.startSync(t, "wells")
	for range 2 {
		eventually(t, "the run gets on", func() error {
			run, err := try[syncRun](p, "GET", "/sync/wells/runs/"+first.ID)
			if err == nil && run.State == "pending" || err == nil && run.Counts.Read == 0 {
				err = fmt.Errorf("it has not begun")
			}
			return err
		})
		time.Sleep(rand.N(50 * time.Millisecond))
		p.kill9()
		p = p.restart(t).listens(t)
	}
	run := p.ended(t, "wells")
	require.Equal(t, first.ID, run.ID, "the same run")
	require.Equal(t, int64(rows), run.Counts.Created)
	require.Len(t, p.records(t, "acme", "reading"), rows)
	p.startSync(t, "wells")
	again := p.ended(t, "wells")
	require.Equal(t, int64(rows), again.Counts.Unchanged)
	t.Logf("%d invocations", run.Invocations)
}

// A process that gets SIGTERM releases its run, and the next process resumes it at once.
func TestSyncResumesAfterTerm(t *testing.T) {
	t.Parallel()
	const rows = 200_000
	data := t.TempDir()
	wells(t, data, "wells.csv", rows, 0)
	p := start(t, options{data: data, env: []string{"CONFIG=" + service("term", "p")}})
	p.define(t, readingsOf("wells", "wells.csv", ""))
	first := p.startSync(t, "wells")
	eventually(t, "the run gets on", func() error {
		run, err := try[syncRun](p, "GET", "/sync/wells/runs/"+first.ID)
		if err == nil && run.Counts.Read == 0 {
			err = fmt.Errorf("it has not begun")
		}
		return err
	})
	code, took := p.term(t, 8*time.Second)
	require.Zero(t, code)
	p = p.restart(t).listens(t)
	begin := time.Now()
	run := p.ended(t, "wells")
	require.Equal(t, first.ID, run.ID)
	require.Equal(t, int64(rows), run.Counts.Created)
	require.GreaterOrEqual(t, run.Invocations, 2)
	t.Logf("it ended in %v; the run went on and ended %v after the next start", took, time.Since(begin))
}

// A message of the gate runs the sync exactly once.
func TestGateRunsSync(t *testing.T) {
	t.Parallel()
	flow := func(t *testing.T, env []string, config string) {
		data := t.TempDir()
		wells(t, data, "wells.csv", 100, 0)
		p := start(t, options{data: data, env: append(env, "CONFIG="+config)})
		p.define(t, readingsOf("wells", "wells.csv", ""))
		for round := range 2 {
			require.Nil(t, p.event(t, "entry1", "x").Triggered)
			id := p.event(t, "entry2", fmt.Sprint("y", round)).Triggered
			require.NotNil(t, id)
			eventually(t, "the message's run ends", func() error {
				list, err := try[struct{ Runs []syncRun }](p, "GET", "/sync/wells/runs")
				if err != nil {
					return err
				}
				if len(list.Runs) != round+1 || list.Runs[0].State != "finished" || list.Runs[0].EventID != *id {
					return fmt.Errorf("%+v", list.Runs)
				}
				return nil
			})
		}
		require.Len(t, p.records(t, "acme", "reading"), 100)
	}
	withSync := func(cfg string) string { return strings.TrimSuffix(cfg, "}") + `,"onMessage":{"sync":"wells"}}` }
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		flow(t, nil, withSync(service("flow", "p")))
	})
	t.Run("emulators", func(t *testing.T) {
		t.Parallel()
		env, host, project := emulated(t)
		consume(t, host, project, nil)
		flow(t, env, withSync(service("flow "+project, project)))
	})
}

// Of two processes on Firestore, one executes the run and dies; the other resumes the run.
func TestTwoProcessesShareSyncs(t *testing.T) {
	t.Parallel()
	slow(t)
	env, host, project := emulated(t)
	consume(t, host, project, nil)
	const rows = 6_000
	data := t.TempDir()
	wells(t, data, "wells.csv", rows, 0)
	a, b := start(t, options{data: data, env: env}), start(t, options{data: data, env: env})
	a.define(t, readingsOf("wells", "wells.csv", ""))
	first := a.startSync(t, "wells")
	resp, body, err := b.call("POST", "/sync/wells/run", "")
	require.NoError(t, err)
	require.Equal(t, 409, resp.StatusCode, "%s", body)
	require.Equal(t, "/sync/wells/runs/"+first.ID, resp.Header.Get("Location"))
	eventually(t, "the run gets on", func() error {
		run, err := try[syncRun](b, "GET", "/sync/wells/runs/"+first.ID)
		if err == nil && run.Counts.Read == 0 {
			err = fmt.Errorf("it has not begun")
		}
		return err
	})
	a.kill9()
	eventually(t, "the other takes over", func() error {
		if err := b.expect(200, "POST", "/sync/due"); err != nil {
			return err
		}
		run, err := try[syncRun](b, "GET", "/sync/wells/runs/"+first.ID)
		if err == nil && run.State != "finished" {
			time.Sleep(200 * time.Millisecond)
			err = fmt.Errorf("it is %s: %q", run.State, run.Errors)
		}
		return err
	})
	run := b.ended(t, "wells")
	require.Equal(t, int64(rows), run.Counts.Created)
	require.Len(t, b.records(t, "acme", "reading"), rows)
}
