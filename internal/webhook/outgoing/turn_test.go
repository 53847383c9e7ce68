package outgoing_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The log tells when a target begins to fail, is paused, recovers and goes, once each, and
// never its URL.
func TestTheLogTellsTheTurnsOfATarget(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var log bytes.Buffer
	w.log = slog.NewTextHandler(&log, nil)
	svc := w.service(nil)
	r := newReceiver(t)
	target := w.register(r, "l")
	lines := func() (said []string) {
		for line := range strings.Lines(log.String()) {
			require.NotContains(t, line, target.URL)
			require.Contains(t, line, "id="+target.ID)
			level, text, _ := strings.Cut(line[strings.Index(line, "level=")+len("level="):], " ")
			said = append(said, level+" "+strings.Split(text, `"`)[1])
		}
		log.Reset()
		return said
	}
	deliver := func(status int) {
		r.answer(status)
		w.wait(30 * time.Hour)
		w.sweep(svc)
	}
	w.receive("l", "", tasks)
	deliver(503)
	deliver(503)
	deliver(200)
	require.Equal(t, []string{
		"WARN the target of a webhook did not take a delivery: it is tried again",
		"INFO the target of a webhook takes deliveries again",
	}, lines())
	w.receive("l", "", tasks)
	for range 20 {
		deliver(503)
	}
	require.Equal(t, []string{
		"WARN the target of a webhook did not take a delivery: it is tried again",
		"WARN the target of a webhook is paused, and keeps its deliveries: correct it, and retry one of them with POST /webhooks/{id}/deliveries/{n}/retry",
	}, lines())
	require.NoError(t, svc.Retry(t.Context(), target.ID, 2))
	deliver(410)
	require.Contains(t, lines(), "WARN the target of a webhook is gone: it is removed")
}
