package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/headgate/headgate/internal/sync/definition"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

// progress shows how a run gets on: as a bar on a terminal, as a line every two seconds
// elsewhere. A silent one shows nothing, for programs that read JSON.
type progress struct {
	w        io.Writer
	silent   bool
	terminal bool
	last     time.Time
	began    time.Time // the step
	step     string
	shown    int // columns that the bar has taken
}

const (
	barWidth  = 24
	lineEvery = 2 * time.Second
)

func newProgress(w io.Writer, silent bool, getenv func(string) string) *progress {
	return &progress{w: w, silent: silent, began: time.Now(), last: time.Now(), terminal: redraws(isTerminal(w), getenv)}
}

// isTerminal reports whether a person at a terminal reads what is written to w.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// redraws reports whether lines may be drawn again in their place. A dumb terminal, as an
// editor has one, cannot move its cursor.
func redraws(terminal bool, getenv func(string) string) bool {
	return terminal && getenv("TERM") != "dumb"
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

// line says where the step at work is: "pull reading  42 %  12000 rows  800/s  20s left".
func (p *progress) line(run *syncrun.Run) string {
	step := current(run)
	if step == nil {
		return string(run.State)
	}
	name := fmt.Sprintf("%s %s ", step.Phase, step.Datatype)
	if name != p.step {
		if p.step != "" {
			p.began = time.Now()
		}
		p.step = name
	}
	elapsed := time.Since(p.began).Seconds()
	pace := fmt.Sprintf("%.0f/s", float64(step.Counts.Read)/max(elapsed, 0.001))
	b, left := new(strings.Builder), ""
	b.WriteString(name)
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
	if step.Waits > 0 {
		pace, left = "waits: the data source allows no more calls for now", ""
	}
	noun := "row"
	if step.Phase == definition.Push {
		noun = "record"
	}
	fmt.Fprintf(b, "%s  %s", count(int(step.Counts.Read), noun), pace)
	if step.Counts.Rejected > 0 {
		fmt.Fprintf(b, "  %d rejected", step.Counts.Rejected)
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
