package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	syncrun "github.com/headgate/headgate/internal/sync/run"
)

// progress shows how a run gets on: a bar on a terminal, now and then a line
// elsewhere.
type progress struct {
	w        io.Writer
	silent   bool
	terminal bool
	last     time.Time
	began    time.Time
	shown    int // columns of the bar
}

const (
	barWidth  = 24
	lineEvery = 2 * time.Second
)

func newProgress(w io.Writer, silent bool) *progress {
	p := &progress{w: w, silent: silent, began: time.Now(), last: time.Now()}
	if f, ok := w.(*os.File); ok {
		p.terminal = term.IsTerminal(int(f.Fd()))
	}
	return p
}

func (p *progress) say(format string, args ...any) {
	if !p.silent {
		p.done()
		fmt.Fprintf(p.w, format+"\n", args...)
	}
}

// show is called again and again while the run is at work.
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
	line := p.line(run)
	if !p.terminal {
		fmt.Fprintln(p.w, line)
		return
	}
	columns := len([]rune(line))
	fmt.Fprintf(p.w, "\r%s%s", line, strings.Repeat(" ", max(0, p.shown-columns)))
	p.shown = columns
}

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
	fmt.Fprintf(b, "%d rows  %.0f/s", run.Counts.Read, rate)
	if run.Counts.Rejected > 0 {
		fmt.Fprintf(b, "  %d rejected", run.Counts.Rejected)
	}
	return b.String() + left
}

func current(run *syncrun.Run) *syncrun.Step {
	for _, s := range run.Results {
		if !s.State.Ended() {
			return s
		}
	}
	return nil
}

// done leaves the line of the bar.
func (p *progress) done() {
	if p.shown > 0 {
		fmt.Fprintf(p.w, "\r%s\r", strings.Repeat(" ", p.shown))
		p.shown = 0
	}
}
