package cli

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/headgate/headgate/internal/platform/launch"
	"github.com/headgate/headgate/internal/platform/printable"
	"github.com/headgate/headgate/internal/sync/definition"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

// progress shows how far work is: as a bar on a terminal, and of a run as a line every two
// seconds elsewhere, if something changed since the line before. A silent one shows nothing,
// for programs that read JSON. It has no colours.
type progress struct {
	w        io.Writer
	silent   bool
	terminal bool
	last     time.Time
	began    time.Time // the step
	step     string
	bar      *progressbar.ProgressBar // on the terminal now; nil: none
	known    bool                     // the bar has an end
	drawn    string                   // the latest line, where there is no bar
}

const (
	barWidth  = 24
	barEvery  = 100 * time.Millisecond
	lineEvery = 2 * time.Second
	// whole is the end of a bar. Only done moves a bar there: the library clears one that reaches
	// its end, and when all is read, work may have steps left.
	whole   = 1000
	spinner = 14 // braille dots
)

func newProgress(w io.Writer, silent bool, getenv func(string) string) *progress {
	return &progress{w: w, silent: silent, began: time.Now(), last: time.Now(), terminal: redraws(isTerminal(w), getenv)}
}

// newBar returns a progress that is silent where nobody sees it move.
func newBar(w io.Writer, getenv func(string) string) *progress {
	p := newProgress(w, false, getenv)
	p.silent = !p.terminal
	return p
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
		fmt.Fprintln(p.w, printable.Text(fmt.Sprintf(format, args...), "\n"))
	}
}

// show prints where the run is, unless it has done so a moment ago.
func (p *progress) show(run *syncrun.Run) {
	if p.due() {
		share, text := p.line(run)
		p.draw(share, text)
	}
}

// bytes prints how many bytes of the total the work has done, unless it has done so a moment
// ago. Without a total, or with 0 bytes of 0, only its name is known.
func (p *progress) bytes(name string, done, total int64) {
	if p.silent || !p.due() && name == p.step {
		return
	}
	p.begin(name)
	if total <= 0 {
		p.draw(-1, name)
		return
	}
	share := min(1, float64(done)/float64(total))
	text := fmt.Sprintf("%s  %s of %s", name, size(done), size(total))
	p.draw(share, text+p.left(share))
}

// copies returns what is told of a copy of the store. It is nil where nothing is shown.
func (p *progress) copies(name string) launch.Watch {
	if p.silent {
		return nil
	}
	return func(done, total int64) {
		if total == 0 {
			name = "check the copy"
		}
		p.bytes(name, done, total)
	}
}

// due reports whether it is time to print again.
func (p *progress) due() bool {
	every := lineEvery
	if p.terminal {
		every = barEvery
	}
	if p.silent || time.Since(p.last) < every {
		return false
	}
	p.last = time.Now()
	return true
}

// begin notes that a step begins, unless it is the one at work.
func (p *progress) begin(step string) {
	if step == p.step {
		return
	}
	if p.step != "" {
		p.began = time.Now()
	}
	p.step = step
}

// left says how long the step still takes, if its share is any guide.
func (p *progress) left(share float64) string {
	if share <= 0 || share >= 1 {
		return ""
	}
	elapsed := time.Since(p.began).Seconds()
	return fmt.Sprintf("  %s left", time.Duration(elapsed/share*(1-share)*float64(time.Second)).Round(time.Second))
}

// draw prints the text behind a bar of the share, or behind a spinner if that is below zero.
func (p *progress) draw(share float64, text string) {
	text = printable.Text(text, "")
	if !p.terminal {
		if share >= 0 {
			text = fmt.Sprintf("%3.0f %%  %s", share*100, text)
		}
		if text != p.drawn { // a run that waits for its source stays the same for minutes
			p.drawn = text
			fmt.Fprintln(p.w, text)
		}
		return
	}
	text = p.fits(text)
	known := share >= 0
	if p.bar == nil || p.known != known {
		p.done()
		end := int64(-1)
		if known {
			end = whole
		}
		p.bar, p.known = progressbar.NewOptions64(end, progressbar.OptionSetWriter(p.w), progressbar.OptionSetWidth(barWidth),
			progressbar.OptionSetTheme(progressbar.Theme{Saucer: "█", SaucerPadding: "░"}), progressbar.OptionSpinnerType(spinner),
			progressbar.OptionSetPredictTime(false), progressbar.OptionSetElapsedTime(!known), progressbar.OptionClearOnFinish(), progressbar.OptionSetRenderBlankState(true),
			progressbar.OptionSetDescription(text), progressbar.OptionShowDescriptionAtLineEnd()), known
	}
	if known {
		_ = p.bar.Set64(min(whole-1, int64(share*whole))) // it fails beyond its end only
	}
	p.bar.Describe(text)
}

// fits returns as much of the text as fits beside the percentage, or the spinner and its time.
// What wraps could not be drawn over again.
func (p *progress) fits(text string) string {
	const beside, usual = 14, 80
	columns := usual
	if f, ok := p.w.(*os.File); ok {
		if n, _, err := term.GetSize(int(f.Fd())); err == nil && n > 0 {
			columns = n
		}
	}
	if runes := []rune(text); len(runes) > columns-beside {
		return string(runes[:max(0, columns-beside-1)]) + "…"
	}
	return text
}

// line says where the step at work is, as a share, and as "pull reading  12000 rows  800/s
// 20s left". The share of what has no known end is below zero.
func (p *progress) line(run *syncrun.Run) (share float64, text string) {
	step := current(run)
	if step == nil {
		return -1, string(run.State)
	}
	name := fmt.Sprintf("%s %s ", step.Phase, step.Datatype)
	p.begin(name)
	pace := fmt.Sprintf("%.0f/s", float64(step.Counts.Read)/max(time.Since(p.began).Seconds(), 0.001))
	share, left := -1.0, ""
	if step.Progress.Total > 0 {
		share = min(1, float64(step.Progress.Done)/float64(step.Progress.Total))
		left = p.left(share)
	}
	if step.Waits > 0 {
		pace, left = "waits: the data source allows no more calls for now", ""
	}
	noun := "row"
	if step.Phase == definition.Push {
		noun = "record"
	}
	text = fmt.Sprintf("%s%s  %s", name, count(int(step.Counts.Read), noun), pace)
	if step.Counts.Rejected > 0 {
		text += fmt.Sprintf("  %d rejected", step.Counts.Rejected)
	}
	return share, text + left
}

// size writes a number of bytes: "812 kB", "1.4 GB".
func size(bytes int64) string {
	n, units := float64(bytes)/1000, []string{"kB", "MB", "GB", "TB"}
	for n >= 1000 && len(units) > 1 {
		n, units = n/1000, units[1:]
	}
	if n < 10 {
		return fmt.Sprintf("%.1f %s", n, units[0])
	}
	return fmt.Sprintf("%.0f %s", n, units[0])
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
	if p.bar != nil {
		_ = p.bar.Finish()
		p.bar = nil
	}
}
