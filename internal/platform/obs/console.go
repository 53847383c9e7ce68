package obs

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"unicode"
)

// The escapes of a terminal.
const (
	reset  = "\x1b[0m"
	faint  = "\x1b[2m"
	red    = "\x1b[31m"
	yellow = "\x1b[33m"
)

// consoleHandler writes lines for people: time of day, level, message, and then the
// attributes as slog's text has them. With colour, errors are red and warnings yellow.
// What a terminal would obey is escaped, wherever it stands.
type consoleHandler struct {
	out    *consoleOut
	attrs  slog.Handler // writes the attributes to out.line, as slog's text
	colour bool
}

// consoleOut is shared by the handlers of a logger.
type consoleOut struct {
	mu   sync.Mutex
	w    io.Writer
	line bytes.Buffer // of the attributes
}

func newConsole(w io.Writer, level slog.Level, colour bool) slog.Handler {
	out := &consoleOut{w: w}
	return &consoleHandler{out: out, colour: colour, attrs: slog.NewTextHandler(&out.line, &slog.HandlerOptions{Level: level, ReplaceAttr: onlyAttributes})}
}

// onlyAttributes drops what slog writes of its own, which stands before the attributes.
func onlyAttributes(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey || a.Key == slog.MessageKey) {
		return slog.Attr{}
	}
	return Redact(groups, a)
}

func (c *consoleHandler) Enabled(ctx context.Context, l slog.Level) bool {
	return c.attrs.Enabled(ctx, l)
}

func (c *consoleHandler) with(attrs slog.Handler) slog.Handler {
	return &consoleHandler{out: c.out, attrs: attrs, colour: c.colour}
}

func (c *consoleHandler) WithAttrs(as []slog.Attr) slog.Handler { return c.with(c.attrs.WithAttrs(as)) }

func (c *consoleHandler) WithGroup(name string) slog.Handler { return c.with(c.attrs.WithGroup(name)) }

func (c *consoleHandler) Handle(ctx context.Context, r slog.Record) error {
	before, after, dim, undim := "", "", "", ""
	if c.colour {
		switch dim, undim = faint, reset; {
		case r.Level >= slog.LevelError:
			before, after = red, reset
		case r.Level >= slog.LevelWarn:
			before, after = yellow, reset
		}
	}
	message := r.Message
	if strings.ContainsFunc(message, func(c rune) bool { return !unicode.IsPrint(c) }) {
		message = strconv.Quote(message)
	}
	level := r.Level.String()
	if n := len("ERROR") - len(level); n > 0 {
		level += strings.Repeat(" ", n)
	}
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	c.out.line.Reset()
	if err := c.attrs.Handle(ctx, r); err != nil {
		return err
	}
	line := dim + r.Time.Format("15:04:05.000") + undim + " " + before + level + " " + message + after
	if attrs := text(strings.TrimSuffix(c.out.line.String(), "\n")); attrs != "" {
		line += " " + attrs
	}
	_, err := io.WriteString(c.out.w, line+"\n")
	return err
}
