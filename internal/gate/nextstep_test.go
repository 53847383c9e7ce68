package gate_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/bus"
	"github.com/headgate/headgate/internal/gate/target"
	"github.com/headgate/headgate/internal/store/drivertest"
)

// Where a topic is missing, each line about a message that waits says what to do.
func TestLogSaysWhatToDoAboutATopic(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		log := w.logs()
		w.bus.says = fmt.Errorf("publish: %w", bus.ErrNoTopic)
		i := w.instance(0)
		i.claimed()
		_, err := i.SweepNow(context.Background())
		require.NoError(w, err)
		for _, text := range []string{"a claim could not be published; a later request or sweep retries it", "a waiting claim could not be published"} {
			require.Eventually(w, func() bool { return len(log.saying(text)) > 0 }, time.Minute, time.Millisecond)
			require.Equal(w, "create the topic: what waits is published then", log.saying(text)[0]["next"])
			require.Equal(w, topic, log.saying(text)[0]["topic"])
		}
	})
}

// A line about a message that its targets do not take says what to do about each kind of failure.
func TestLogSaysWhatToDoAboutATarget(t *testing.T) {
	t.Parallel()
	for says, failure := range map[string]*target.Failure{
		"see whether the target runs":    {Message: "crm.example does not answer in time", Unanswered: true},
		"see the log of the target, and": {Message: "crm.example answers 500 Internal Server Error"},
	} {
		t.Run(says, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, drivertest.Memory(t), "s")
			log := &logged{}
			s.log = slog.NewJSONHandler(log, nil)
			s.fail("hook", failure)
			p := s.process()
			p.send()
			p.Idle()
			lines := log.saying("a claim could not be published; a later request or sweep retries it")
			require.Len(t, lines, 1)
			require.Contains(t, lines[0]["next"], says)
		})
	}
}

// Each line about a message that waits names the targets that did not take it, and no topic
// that did.
func TestLogNamesWhatDidNotTakeAMessage(t *testing.T) {
	t.Parallel()
	s := newScene(t, drivertest.Memory(t), "s")
	log := &logged{}
	s.log = slog.NewJSONHandler(log, nil)
	s.fail("hook", &target.Failure{Message: "a.example answers 500 Internal Server Error"})
	s.fail("load", &target.Failure{Message: "the sync is at work on an earlier message"})
	p := s.process()
	p.send()
	p.Idle()
	s.pass(time.Minute)
	_, err := p.SweepNow(context.Background())
	require.NoError(t, err)
	s.pass(25 * time.Hour)
	_, err = p.SweepNow(context.Background())
	require.NoError(t, err)
	for _, text := range []string{
		"a claim could not be published; a later request or sweep retries it", "a waiting claim could not be published",
		"messages have waited long for publication: check that the topic or the targets exist and take messages; their events are kept meanwhile",
	} {
		lines := log.saying(text)
		require.NotEmpty(t, lines, text)
		require.ElementsMatch(t, []string{"hook", "load"}, strings.Split(fmt.Sprint(lines[0]["failedTargets"]), ","), text)
		require.NotContains(t, lines[0], "topic")
	}
	status, err := p.Status(context.Background(), nil)
	require.NoError(t, err)
	require.Contains(t, status.Warning, "check the targets that lastError of GET /messages?state=claimed names")
}
