package gate_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/gate/target"
	"github.com/headgate/headgate/internal/store/drivertest"
)

// all returns all lines, without their times.
func (l *logged) all() (lines []map[string]any) {
	for _, m := range l.saying("") {
		delete(m, "time")
		lines = append(lines, m)
	}
	return lines
}

// A message has one line, whatever it took to publish it, and an event has none.
func TestAMessageHasOneLine(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	log := w.logs()
	i := w.instance(0)
	i.send("a", "1")
	i.send("a", "2")
	require.Empty(t, log.all(), "an event has no line")
	w.bus.set(true)
	id := i.send("b", "3")
	i.Idle()
	require.Empty(t, log.saying("a message was published"), "the topic does not have it")
	w.bus.set(false)
	w.pass(10*time.Second, i)
	lines := log.saying("a message was published")
	require.Len(t, lines, 1)
	line := lines[0]
	require.GreaterOrEqual(t, line["latencySeconds"], 10.0)
	require.Positive(t, line["bytes"])
	for _, name := range []string{"time", "latencySeconds", "bytes"} {
		delete(line, name)
	}
	require.Equal(t, map[string]any{
		"level": "INFO", "msg": "a message was published", "kind": "message", "serviceName": "s", "eventID": id, "triggerType": "window",
		"state": "published", "events": 3.0, "topic": topic, "attempts": 2.0,
	}, line)
	_, err := i.Replay(t.Context(), id, "")
	require.NoError(t, err)
	w.pass(time.Hour, i)
	require.Len(t, log.saying("a message was published"), 1, "a replay is an operator's act, and no message of its own")
}

// The line names the targets, and those that were given up make it a warning.
func TestTheLineOfAMessageNamesItsTargets(t *testing.T) {
	t.Parallel()
	s := newScene(t, drivertest.Memory(t), "s")
	log := &logged{}
	s.log = slog.NewJSONHandler(log, nil)
	p := s.process()
	id := p.send()
	p.Idle()
	lines := log.saying("a message was published")
	require.Len(t, lines, 1)
	require.Equal(t, id, lines[0]["eventID"])
	require.Equal(t, "bus,hook,load", lines[0]["targets"])
	require.NotContains(t, lines[0], "topic")
	require.NotContains(t, lines[0], "failedTargets")

	s.fail("hook", &target.Failure{Message: "a.example answers 400 Bad Request", Final: true})
	id = p.send()
	p.Idle()
	require.Len(t, log.saying("a message was published"), 1)
	lines = log.saying("a message did not reach every target")
	require.Len(t, lines, 1)
	require.Equal(t, "WARN", lines[0]["level"])
	require.Equal(t, "failed", lines[0]["state"])
	require.Equal(t, id, lines[0]["eventID"])
	require.Equal(t, "bus,load", lines[0]["targets"])
	require.Equal(t, "hook", lines[0]["failedTargets"])
}
