package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/headgate/headgate/internal/platform/printable"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

// watchedWindow is a window as the server answered it.
type watchedWindow struct {
	windowAnswer
	raw     json.RawMessage
	changed bool // since the look before
}

// watchView shows what a watcher sees. The calls of one look end with a flush.
type watchView interface {
	message(raw json.RawMessage, m *messageAnswer)
	windows(list []watchedWindow, more bool)
	status(raw json.RawMessage, s *statusAnswer, changed bool)
	run(raw json.RawMessage, run *syncrun.Run, news bool) // news is worth a line of its own
	notice(stderr io.Writer, text string)
	flush() error
	end() error
}

func newWatchView(w io.Writer, output string, getenv func(string) string) watchView {
	if output == "json" {
		return &jsonView{lines: lines{w: w}}
	}
	if f, ok := w.(*os.File); ok && redraws(isTerminal(w), getenv) {
		return &screenView{w: w, size: func() (int, int, error) { return term.GetSize(int(f.Fd())) }}
	}
	return &lineView{lines: lines{w: w}}
}

// lines collects lines, and writes them with flush.
type lines struct {
	w   io.Writer
	buf bytes.Buffer
}

func (l *lines) add(format string, args ...any) { fmt.Fprintf(&l.buf, format+"\n", args...) }

func (l *lines) notice(stderr io.Writer, text string) { fmt.Fprintln(stderr, printable.Text(text, "")) }

func (l *lines) flush() error {
	if l.buf.Len() == 0 { // to write nothing may block as well
		return nil
	}
	defer l.buf.Reset()
	if _, err := l.w.Write(l.buf.Bytes()); err != nil {
		return fmt.Errorf("%w: %w", errOutput, err)
	}
	return nil
}

func (l *lines) end() error { return l.flush() }

// lineView prints a line for each change.
type lineView struct{ lines }

func (v *lineView) message(_ json.RawMessage, m *messageAnswer) { v.add("%s", messageLine(m)) }

func (v *lineView) windows(list []watchedWindow, _ bool) {
	for i := range list {
		if w := &list[i]; w.changed {
			v.add("%s", windowLine(w))
		}
	}
}

func (v *lineView) status(_ json.RawMessage, s *statusAnswer, changed bool) {
	if changed {
		v.add("%s", statusLine(s))
	}
}

func (v *lineView) run(_ json.RawMessage, run *syncrun.Run, news bool) {
	if news {
		v.add("%s", syncLine(run))
	}
}

// jsonView prints a line of JSON for each change, with the server's answer.
type jsonView struct{ lines }

func (v *jsonView) one(name string, raw json.RawMessage) {
	var line bytes.Buffer
	if err := json.Compact(&line, raw); err == nil { // it was decoded before
		v.add(`{"%s":%s}`, name, printable.JSON(line.String()))
	}
}

func (v *jsonView) message(raw json.RawMessage, _ *messageAnswer) { v.one("message", raw) }

func (v *jsonView) windows(list []watchedWindow, _ bool) {
	for _, w := range list {
		if w.changed {
			v.one("window", w.raw)
		}
	}
}

func (v *jsonView) status(raw json.RawMessage, _ *statusAnswer, changed bool) {
	if changed {
		v.one("status", raw)
	}
}

func (v *jsonView) run(raw json.RawMessage, _ *syncrun.Run, _ bool) { v.one("run", raw) }

// screenView keeps the windows at the bottom of a terminal, and prints messages above.
type screenView struct {
	w     io.Writer
	size  func() (columns, rows int, err error)
	above []string          // since the last flush
	block []string          // the lines at the bottom, about windows
	runs  map[string]string // and those about the runs that are under way, by sync
	drawn int               // how many lines are there now
}

func (v *screenView) message(_ json.RawMessage, m *messageAnswer) {
	v.above = append(v.above, messageLine(m))
}

func (v *screenView) windows(list []watchedWindow, more bool) {
	v.block = []string{"no window has events"}
	if len(list) > 0 {
		v.block = v.block[:0]
	}
	for i := range list {
		v.block = append(v.block, windowLine(&list[i]))
	}
	if more {
		v.block = append(v.block, "and more")
	}
}

func (v *screenView) status(_ json.RawMessage, s *statusAnswer, _ bool) {
	v.block = []string{statusLine(s)}
}

func (v *screenView) run(_ json.RawMessage, run *syncrun.Run, _ bool) {
	if v.runs == nil {
		v.runs = map[string]string{}
	}
	if v.runs[run.SyncID] = syncLine(run); run.State.Ended() {
		v.above = append(v.above, v.runs[run.SyncID])
		delete(v.runs, run.SyncID)
	}
}

func (v *screenView) notice(_ io.Writer, text string) {
	v.above = append(v.above, stamp(time.Now())+"  "+printable.Text(text, ""))
	_ = v.flush() // the next look reports that standard output is closed
}

// flush draws the screen anew. No line of the block may wrap, or the cursor would go up by
// too few lines.
func (v *screenView) flush() error {
	columns, rows, err := v.size()
	if err != nil || columns < 10 || rows < 3 {
		columns, rows = 80, 24
	}
	var b strings.Builder
	if v.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA\x1b[J", v.drawn)
	}
	for _, line := range v.above {
		b.WriteString(line + "\n")
	}
	shown := slices.Clone(v.block)
	for _, id := range slices.Sorted(maps.Keys(v.runs)) {
		shown = append(shown, v.runs[id])
	}
	shown = shown[:min(len(shown), rows-2)]
	for _, line := range shown {
		runes := []rune(line)
		b.WriteString(string(runes[:min(len(runes), columns-1)]) + "\n")
	}
	v.above, v.drawn = nil, len(shown)
	if _, err := io.WriteString(v.w, b.String()); err != nil {
		return fmt.Errorf("%w: %w", errOutput, err)
	}
	return nil
}

func (v *screenView) end() error { return nil }

// stamp is the time of day that a line begins with.
func stamp(at time.Time) string { return at.Local().Format("15:04:05") }

// stampOf is that of a time of the server.
func stampOf(at *time.Time) string {
	if at == nil {
		return stamp(time.Now())
	}
	return stamp(*at)
}

func messageLine(m *messageAnswer) string {
	line := fmt.Sprintf("%s  message %s  %s  %s", stampOf(m.Date), m.EventID, m.State, count(m.NumberOfEvents, "event"))
	for _, part := range []struct{ name, text string }{
		{"  key ", m.CorrelationKey}, {"  ", m.Completion}, {"  missing ", inWords(m.Missing)}, {"  targets ", m.targets()}, {"  error: ", m.failure()},
	} {
		if part.text != "" {
			line += part.name + part.text
		}
	}
	return printable.Text(line, "")
}

func windowLine(w *watchedWindow) string {
	line := fmt.Sprintf("%s  window  %s", stampOf(w.Opened), inWords(w.Endpoints))
	if w.CorrelationKey != "" {
		line = fmt.Sprintf("%s  window %s  %s", stampOf(w.Opened), w.CorrelationKey, inWords(w.Endpoints))
	}
	if w.Closes != nil {
		line += "  closes " + stamp(*w.Closes)
	}
	if w.State == "closing" {
		line += "  closing"
	} else if missing := inWords(w.Missing); missing != "" {
		line += "  missing " + missing
	}
	return printable.Text(line, "")
}

func statusLine(s *statusAnswer) string {
	list := make([]shortfall, len(s.Endpoints))
	for i, e := range s.Endpoints {
		list[i] = e.shortfall
	}
	line := fmt.Sprintf("%s  %s  %s", stamp(time.Now()), s.ServiceName, inWords(list))
	if s.Complete {
		line += "  complete"
	}
	return printable.Text(line, "")
}
