package obs

import (
	"cmp"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/headgate/headgate/internal/platform/printable"
)

// Format is the form of a logger's lines.
type Format string

// The formats.
const (
	JSON    Format = "json"    // for Cloud Logging, and other programs
	Logfmt  Format = "logfmt"  // slog's text: key=value
	Console Format = "console" // for people
)

// Options configure a logger.
type Options struct {
	Format Format
	Level  slog.Level
	Colour bool // of Console
}

// The environment variables of the log.
const (
	envFormat = "HEADGATE_LOG_FORMAT"
	envLevel  = "HEADGATE_LOG_LEVEL"
)

// FromEnv returns the options of the environment, for a log that goes to a terminal or not.
// Without a setting, people get lines to read at a terminal, and JSON is written elsewhere.
// Colour is for terminals that have it, unless NO_COLOR is set (https://no-color.org).
// structured says that the platform reads JSON.
func FromEnv(getenv func(string) string, terminal, structured bool) (Options, error) {
	o := Options{Format: JSON, Colour: terminal && getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"}
	if terminal && !structured {
		o.Format = Console
	}
	switch f := Format(cmp.Or(getenv(envFormat), string(o.Format))); f {
	case JSON, Logfmt, Console:
		o.Format = f
	default:
		return o, fmt.Errorf("%s is %q: must be %s, %s or %s", envFormat, f, Console, JSON, Logfmt)
	}
	switch level := strings.ToLower(getenv(envLevel)); level {
	case "debug":
		o.Level = slog.LevelDebug
	case "", "info":
	case "warn":
		o.Level = slog.LevelWarn
	case "error":
		o.Level = slog.LevelError
	default:
		return o, fmt.Errorf("%s is %q: must be debug, info, warn or error", envLevel, level)
	}
	return o, nil
}

// shown writes each line so that no terminal obeys a character of it. slog calls Write once
// for each record.
type shown struct {
	w      io.Writer
	escape func(line string) string
}

func (s shown) Write(line []byte) (int, error) {
	if _, err := io.WriteString(s.w, s.escape(string(line))); err != nil {
		return 0, err
	}
	return len(line), nil
}

// NewLogger returns a logger that writes to w. Lines of every format may have texts from
// outside, and none has a character that a terminal would obey: JSON has its escape instead,
// which means the same value, and the other formats have Go's.
func NewLogger(w io.Writer, o Options) *slog.Logger {
	switch o.Format {
	case Console:
		return slog.New(newConsole(w, o.Level, o.Colour))
	case Logfmt:
		h := slog.NewTextHandler(shown{w, text}, &slog.HandlerOptions{Level: o.Level, ReplaceAttr: Redact})
		return slog.New(&handler{root: h, h: h, extra: plainExtra})
	}
	h := slog.NewJSONHandler(shown{w, printable.JSON}, &slog.HandlerOptions{Level: o.Level, ReplaceAttr: cloudNames})
	return slog.New(&handler{root: h, h: h, cloud: true, extra: cloudExtra("")})
}

// text escapes a line of key=value. slog quotes most of what must be escaped, but not DEL.
func text(line string) string { return printable.Text(line, "\n") }
