package cli

import (
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/sync/definition"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

// The line tells of the step at work alone, and why nothing happens while the source asks to wait.
func TestProgressTellsOfTheStepAtWork(t *testing.T) {
	t.Parallel()
	p := newProgress(io.Discard, false, func(string) string { return "" })
	pull := &syncrun.Step{Phase: definition.Pull, Datatype: "well", State: syncrun.Running, Counts: syncrun.Counts{Read: 40, Rejected: 2}, Waits: 1}
	push := &syncrun.Step{Phase: definition.Push, Datatype: "well", State: syncrun.Pending}
	run := &syncrun.Run{State: syncrun.Running, Results: []*syncrun.Step{pull, push}}
	require.Equal(t, "pull well 40 rows  waits: the data source allows no more calls for now  2 rejected", lineOf(p, run))
	pull.Waits = 0
	require.Regexp(t, `^pull well 40 rows  \d+/s  2 rejected$`, lineOf(p, run))
	pull.State, push.State = syncrun.Finished, syncrun.Running
	push.Counts.Read, run.Counts = 1, syncrun.Counts{Read: 41, Rejected: 2}
	require.Regexp(t, `^push well 1 record  \d+/s$`, lineOf(p, run))
}

func lineOf(p *progress, run *syncrun.Run) string {
	_, text := p.line(run)
	return text
}
