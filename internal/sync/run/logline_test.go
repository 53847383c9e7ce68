package run_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/meter"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

// lines keeps the log of a world.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *lines) logger() *slog.Logger { return slog.New(slog.NewJSONHandler(l, nil)) }

// ofRuns returns the lines of runs, without their times.
func (l *lines) ofRuns(t *testing.T) (all []map[string]any) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.buf.String()) {
		var m map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &m))
		if m["kind"] == "run" {
			delete(m, "time")
			all = append(all, m)
		}
	}
	return all
}

func TestARunHasOneLine(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.source.put("a", map[string]any{"name": "a"})
	w.source.put("b", map[string]any{"name": "b"})
	w.source.beforePage = func(int) error { w.wait(1500 * time.Millisecond); w.source.beforePage = nil; return nil }
	run := w.finished(syncrun.Start{Method: syncrun.DoPull, Trigger: "message", EventID: "e1"})
	require.Equal(t, []map[string]any{{
		"level": "INFO", "msg": "a run ended", "kind": "run", "syncId": "s", "runId": run.ID, "method": "pull", "trigger": "message", "eventID": "e1",
		"state": "finished", "read": 2.0, "written": 2.0, "rejected": 0.0, "conflicts": 0.0, "durationSeconds": 1.5,
	}}, w.log.ofRuns(t))

	w.source.put("c", map[string]any{"name": "c", "value": "abc"})
	for i := range 9 { // few rejects fail no run
		w.source.put(fmt.Sprint("d", i), map[string]any{"name": "d"})
	}
	w.wait(time.Hour)
	run = w.run(syncrun.Start{Method: syncrun.DoPull})
	last := w.log.ofRuns(t)[1]
	require.Equal(t, run.ID, last["runId"])
	require.Equal(t, "WARN", last["level"])
	require.Equal(t, "a run rejected rows", last["msg"])
	require.Equal(t, "partial", last["state"])
	require.Equal(t, 1.0, last["rejected"])

	w.source.beforePage = func(int) error { panic("why") }
	run = w.run(syncrun.Start{Method: syncrun.DoPull})
	last = w.log.ofRuns(t)[2]
	require.Equal(t, run.ID, last["runId"])
	require.Equal(t, "WARN", last["level"])
	require.Equal(t, "a run failed", last["msg"])
	require.Equal(t, "failed", last["state"])
	require.Contains(t, last["error"], "why", "the log has the cause, the run has not")
	require.Len(t, w.log.ofRuns(t), 3)
}

// A run may be ended by another process than the one that worked on it, and by an operator.
// It has its line then, too.
func TestARunThatOthersEndHasOneLine(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	idle := w.serviceWith(w.store, idling)
	start := func(svc *syncrun.Service) *syncrun.Run {
		run, err := svc.Start(t.Context(), "s", syncrun.Start{})
		require.NoError(t, err)
		return run
	}
	var want []string
	// Its process died, and another run takes its place.
	run := start(idle)
	w.wait(time.Minute)
	want = append(want, run.ID+" failed", w.finished(syncrun.Start{}).ID+" finished")
	// Its sync was changed.
	run = start(idle)
	w.wait(time.Minute)
	def := *w.def
	_, err := w.defs.Update(t.Context(), "s", &def, "")
	require.NoError(t, err)
	want = append(want, run.ID+" failed")
	// It was cancelled while it waited for another one, and its sync deleted.
	run = start(idle)
	next, waiting := w.queue(idle, "h:1")
	require.True(t, waiting)
	_, err = idle.Cancel(t.Context(), "s", next.ID)
	require.NoError(t, err)
	w.wait(time.Minute)
	require.NoError(t, w.defs.Delete(t.Context(), "s", ""))
	want = append(want, next.ID+" cancelled", run.ID+" failed")

	var got []string
	for _, l := range w.log.ofRuns(t) {
		got = append(got, l["runId"].(string)+" "+l["state"].(string))
	}
	require.Equal(t, want, got)
	for state, runs := range map[string]int{"failed": 3, "finished": 1, "cancelled": 1} {
		require.Equal(t, runs, w.meter.Times(meter.SyncRunDuration, "s", state), "%s runs are measured, too", state)
	}
}

// A person hears that a process died in the middle of a run, which goes on.
func TestADeathHasALine(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.source.put("a", map[string]any{"name": "n"})
	_, err := w.serviceWith(w.store, idling).Start(t.Context(), "s", syncrun.Start{})
	require.NoError(t, err)
	w.wait(time.Minute)
	w.takeOver()
	require.NotContains(t, w.log.text(), "died", "nobody had begun it")

	reached, open := w.holdFirstPage()
	asleep := w.service()
	run, err := asleep.Start(t.Context(), "s", syncrun.Start{Method: syncrun.DoPull})
	require.NoError(t, err)
	<-reached
	w.wait(time.Minute)
	_, taken, err := w.svc.Due(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, taken)
	require.Equal(t, 1, strings.Count(w.log.text(), `"level":"WARN","msg":"the process of a run died: another goes on from its last checkpoint","syncId":"s","runId":"`+run.ID+`"`))
	open()
	_, err = w.svc.Wait(t.Context(), "s", run.ID, nil)
	require.NoError(t, err)
	require.NoError(t, asleep.Close(t.Context()))
}

func (l *lines) text() string { l.mu.Lock(); defer l.mu.Unlock(); return l.buf.String() }
