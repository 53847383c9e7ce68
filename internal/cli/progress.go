package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	syncrun "github.com/headgate/headgate/internal/sync/run"
)

// progress shows how a run gets on: as a bar on a terminal, as a line every two seconds
// elsewhere. A silent one shows nothing, for programs that read JSON.
type progress struct {
	w        io.Writer
	silent   bool
	terminal bool
	last     time.Time
	began    time.Time
	shown    int // columns that the bar has taken
}

const (
	barWidth  = 24
	lineEvery = 2 * time.Second
)

func newProgress(w io.Writer, silent bool) *progress {
	return &progress{w: w, silent: silent, began: time.Now(), last: time.Now(), terminal: isTerminal(w)}
}

// isTerminal reports whether a person at a terminal reads what is written to w.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// say prints a notice.
func (p *progress) say(format string, args ...any) {
	if !p.silent {
		p.done()
		fmt.Fprintln(p.w, printable(fmt.Sprintf(format, args...), "\n"))
	}
}

// show prints where the run is, unless it has done so a moment ago.
func (p *progress) show(run *syncrun.Run) {
	if p.silent {
		return
	}
	every := lineEvery
	if p.terminal {
		every = 100 * time.Millisecond
	}
	if time.Since(p.last) < every {
		return
	}
	p.last = time.Now()
	line := printable(p.line(run), "")
	if !p.terminal {
		fmt.Fprintln(p.w, line)
		return
	}
	columns := len([]rune(line))
	fmt.Fprintf(p.w, "\r%s%s", line, strings.Repeat(" ", max(0, p.shown-columns)))
	p.shown = columns
}

// line says where the run is: "pull reading  42 %  12000 rows  800/s  20s left".
func (p *progress) line(run *syncrun.Run) string {
	step := current(run)
	if step == nil {
		return string(run.State)
	}
	elapsed := time.Since(p.began).Seconds()
	rate := float64(run.Counts.Read) / max(elapsed, 0.001)
	b, left := new(strings.Builder), ""
	fmt.Fprintf(b, "%s %s ", step.Phase, step.Datatype)
	if step.Progress.Total > 0 {
		share := min(1, float64(step.Progress.Done)/float64(step.Progress.Total))
		if p.terminal {
			full := int(share * barWidth)
			b.WriteString(strings.Repeat("█", full) + strings.Repeat("░", barWidth-full) + " ")
		}
		fmt.Fprintf(b, "%3.0f %%  ", share*100)
		if share > 0 && share < 1 {
			left = fmt.Sprintf("  %s left", time.Duration(elapsed/share*(1-share)*float64(time.Second)).Round(time.Second))
		}
	}
	fmt.Fprintf(b, "%s  %.0f/s", count(int(run.Counts.Read), "row"), rate)
	if run.Counts.Rejected > 0 {
		fmt.Fprintf(b, "  %d rejected", run.Counts.Rejected)
	}
	return b.String() + left
}

// current returns the step that is under way; nil if none is.
func current(run *syncrun.Run) *syncrun.Step {
	for _, s := range run.Results {
		if !s.State.Ended() {
			return s
		}
	}
	return nil
}

// done clears the bar, so that other output can take its line.
func (p *progress) done() {
	if p.shown > 0 {
		fmt.Fprintf(p.w, "\r%s\r", strings.Repeat(" ", p.shown))
		p.shown = 0
	}
}
