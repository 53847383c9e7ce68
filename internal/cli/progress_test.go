package cli

import (
	"io"
	"strings"
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

// A log gets a line when something changed, and not the same one for as long as a run waits.
func TestProgressInALogSaysNothingTwice(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	p := newProgress(&out, false, func(string) string { return "" })
	step := &syncrun.Step{Phase: definition.Pull, Datatype: "well", State: syncrun.Running, Counts: syncrun.Counts{Read: 40}, Waits: 1}
	run := &syncrun.Run{State: syncrun.Running, Results: []*syncrun.Step{step}}
	for range 3 {
		p.draw(p.line(run))
	}
	step.Counts.Read = 60
	p.draw(p.line(run))
	require.Equal(t, "pull well 40 rows  waits: the data source allows no more calls for now\npull well 60 rows  waits: the data source allows no more calls for now\n", out.String())
}

func lineOf(p *progress, run *syncrun.Run) string {
	_, text := p.line(run)
	return text
}
