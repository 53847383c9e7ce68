package flow

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
)

// The first refusal of a hook for a reason is a line at once. The others are counted, and have
// a line a minute. The cause of an error is not in it, and failures are no refusals.
func TestRefusals(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	log := slog.New(slog.NewTextHandler(&text, nil))
	var r refusals
	now := time.Date(2026, 11, 27, 6, 0, 0, 0, time.UTC)
	lines := func() []string {
		defer text.Reset()
		return strings.Split(strings.TrimSpace(text.String()), "\n")
	}
	unsigned := fault.Wrap(fault.Unauthenticated, errors.New("canary"), "no signature matches")
	for range 1000 {
		r.tell(t.Context(), log, now, "code", "", unsigned)
	}
	got := lines()
	require.Len(t, got, 1)
	for _, part := range []string{"level=WARN", "hook=code", `reason="no signature matches"`, `webhookId=""`, "refusedSinceLastLine=0"} {
		require.Contains(t, got[0], part)
	}
	r.tell(t.Context(), log, now, "orders", "m1", fault.New(fault.NotFound, "there is no sync %s", strings.Repeat("é", 1000)))
	r.tell(t.Context(), log, now, "code", "m2", fault.New(fault.Invalid, "the condition fails"))
	got = lines()
	require.Len(t, got, 2, "another hook, and another reason")
	require.Contains(t, got[0], "webhookId=m1")
	require.Less(t, len(got[0]), 1000)
	r.tell(t.Context(), log, now.Add(time.Minute), "code", "", unsigned)
	require.Contains(t, lines()[0], "refusedSinceLastLine=999")
	r.tell(t.Context(), log, now.Add(-time.Hour), "code", "", unsigned)
	require.Contains(t, lines()[0], "refusedSinceLastLine=0", "a clock that was set back keeps no line")
	for _, err := range []error{nil, errors.New("x"), fault.New(fault.Unavailable, "busy")} {
		r.tell(t.Context(), log, now, "other", "", err)
	}
	require.Equal(t, []string{""}, lines())
}
