package obs

import (
	"bytes"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// lineOf returns what a logger writes of a record, at ten past nine.
func lineOf(t *testing.T, colour bool, level slog.Level, text string, attrs ...any) string {
	t.Helper()
	var b bytes.Buffer
	l := NewLogger(&b, Options{Format: Console, Colour: colour}).With("serviceName", "my service").WithGroup("g").With("token", "hush")
	r := slog.NewRecord(time.Date(2026, 3, 4, 9, 10, 11, 12_345_678, time.UTC), level, text, 0)
	r.Add(attrs...)
	require.NoError(t, l.Handler().Handle(t.Context(), r))
	return b.String()
}

func TestConsoleLines(t *testing.T) {
	t.Parallel()
	const attrs = ` serviceName="my service" g.token=REDACTED`
	for want, got := range map[string]string{
		"09:10:11.012 INFO  a run ended" + attrs + " g.read=3\n":             lineOf(t, false, slog.LevelInfo, "a run ended", "read", 3),
		"09:10:11.012 WARN  so" + attrs + ` g.error="a b"` + "\n":            lineOf(t, false, slog.LevelWarn, "so", "error", errors.New("a b")),
		"09:10:11.012 ERROR panic" + attrs + ` g.stack="a\n\x1b[2Jb"` + "\n": lineOf(t, false, slog.LevelError, "panic", "stack", "a\n\x1b[2Jb"),
		`09:10:11.012 DEBUG "two\nlines\x1b[2J"` + attrs + "\n":              lineOf(t, false, slog.LevelDebug, "two\nlines\x1b[2J"),

		"\x1b[2m09:10:11.012\x1b[0m INFO  a run ended" + attrs + "\n":       lineOf(t, true, slog.LevelInfo, "a run ended"),
		"\x1b[2m09:10:11.012\x1b[0m \x1b[33mWARN  so\x1b[0m" + attrs + "\n": lineOf(t, true, slog.LevelWarn, "so"),
		"\x1b[2m09:10:11.012\x1b[0m \x1b[31mERROR oh\x1b[0m" + attrs + "\n": lineOf(t, true, slog.LevelError, "oh"),
	} {
		require.Equal(t, want, got)
	}
	var b bytes.Buffer
	NewLogger(&b, Options{Format: Console}).Info("draining")
	require.Regexp(t, `^\d\d:\d\d:\d\d\.\d{3} INFO  draining\n$`, b.String(), "a line without attributes ends with its text")
}

// What slog keeps for itself may be an attribute's name in a group.
func TestConsoleKeepsAttributesOfAnyName(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	NewLogger(&b, Options{Format: Console}).WithGroup("g").Info("m", "level", "high", "time", "now", "msg", "x")
	require.Contains(t, b.String(), "INFO  m g.level=high g.time=now g.msg=x\n")
}

func TestOptionsOfTheEnvironment(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		env                  map[string]string
		terminal, structured bool
		want                 Options
		err                  string
	}{
		"a terminal":                {nil, true, false, Options{Format: Console, Colour: true}, ""},
		"a file":                    {nil, false, false, Options{Format: JSON}, ""},
		"Cloud Run":                 {nil, false, true, Options{Format: JSON}, ""},
		"NO_COLOR":                  {map[string]string{"NO_COLOR": "1"}, true, false, Options{Format: Console}, ""},
		"an empty NO_COLOR":         {map[string]string{"NO_COLOR": ""}, true, false, Options{Format: Console, Colour: true}, ""},
		"a terminal without colour": {map[string]string{"TERM": "dumb"}, true, false, Options{Format: Console}, ""},
		"a file for people":         {map[string]string{"HEADGATE_LOG_FORMAT": "console"}, false, false, Options{Format: Console}, ""},
		"JSON at a terminal":        {map[string]string{"HEADGATE_LOG_FORMAT": "json", "NO_COLOR": "1"}, true, false, Options{Format: JSON}, ""},
		"logfmt in the cloud":       {map[string]string{"HEADGATE_LOG_FORMAT": "logfmt"}, false, true, Options{Format: Logfmt}, ""},
		"a level":                   {map[string]string{"HEADGATE_LOG_LEVEL": "WARN"}, false, true, Options{Format: JSON, Level: slog.LevelWarn}, ""},
		"debug":                     {map[string]string{"HEADGATE_LOG_LEVEL": "debug"}, false, true, Options{Format: JSON, Level: slog.LevelDebug}, ""},
		"errors":                    {map[string]string{"HEADGATE_LOG_LEVEL": "error"}, false, true, Options{Format: JSON, Level: slog.LevelError}, ""},
		"no such format":            {map[string]string{"HEADGATE_LOG_FORMAT": "xml"}, false, true, Options{}, `HEADGATE_LOG_FORMAT is "xml": must be console, json or logfmt`},
		"no such level":             {map[string]string{"HEADGATE_LOG_LEVEL": "all"}, false, true, Options{}, `HEADGATE_LOG_LEVEL is "all": must be debug, info, warn or error`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := FromEnv(func(v string) string { return c.env[v] }, c.terminal, c.structured)
			if c.err != "" {
				require.EqualError(t, err, c.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}

// Cloud Logging's Error Reporting finds a panic by its stack.
func TestTheStackOfAPanicHasErrorReportingsName(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	NewLogger(&b, Options{}).Error("panic", "stack", "goroutine 1 [running]:")
	got := parse(t, &b)
	require.Equal(t, "goroutine 1 [running]:", got["stack_trace"])
	require.NotContains(t, got, "stack")
}
