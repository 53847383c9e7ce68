package cli

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	syncrun "github.com/headgate/headgate/internal/sync/run"
)

const hostileText = "\x1b]0;owned\x07\u009b31m\u202egnp\r"

// A terminal obeys nothing that a server says about syncs, or that stands in the rows of a
// source.
func TestHostileSyncsAreShown(t *testing.T) {
	t.Parallel()
	hostile := `\u001b]0;owned\u0007\u009b31m\u202egnp\r`
	answer := strings.ReplaceAll(`{"rejects":[{"phase":"§","datatype":"§","key":"§","field":"§","reason":"§"}],
		"runs":[{"runId":"§","syncId":"§","method":"§","state":"§","errors":["§"],"trigger":"§"}],
		"syncs":[{"sync":{"id":"§","name":"§","orgId":"§","type":"§","datasource":{"type":"§"}}}],
		"conflicts":[{"recordId":"§","datatype":"§","fields":["§"]}]}`, "§", hostile)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, answer)
	}))
	t.Cleanup(s.Close)
	for _, args := range [][]string{{"rejects", "x"}, {"runs", "x"}, {"list"}} {
		for _, more := range [][]string{nil, {"--json"}} {
			status, stdout, stderr := headgate(t, nil, append(append([]string{"sync"}, args...), append(more, "--url", s.URL)...)...)
			require.Zero(t, status, stderr)
			require.Contains(t, stdout, "owned", "%q", args)
			requireHarmless(t, stdout+stderr)
		}
	}
}

// The same holds for what is shown of a run while it is at work, and at its end.
func TestHostileRunIsShown(t *testing.T) {
	t.Parallel()
	run := &syncrun.Run{ID: hostileText, State: hostileText, Warnings: []string{hostileText}, Plan: []syncrun.PlannedChange{{Datatype: hostileText, ID: hostileText, Reason: hostileText}}}
	run.Results = []*syncrun.Step{{Phase: hostileText, Datatype: hostileText, State: hostileText, Message: hostileText}}
	var out bytes.Buffer
	require.NoError(t, summarize(&out, run, hostileText))
	p := newProgress(&out, false, func(string) string { return "" })
	p.say("%s", hostileText)
	p.show(run)
	p.last = p.began.AddDate(-1, 0, 0)
	p.show(run)
	requireHarmless(t, out.String())
}

func requireHarmless(t *testing.T, text string) {
	t.Helper()
	require.NotEmpty(t, text)
	for _, r := range text {
		require.False(t, r < ' ' && r != '\n' || r >= 0x7f && r < 0xa0 || r == 0x202e, "%q", text)
	}
}
