package gate_test

import (
	"context"
	"fmt"
	"log/slog"
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
