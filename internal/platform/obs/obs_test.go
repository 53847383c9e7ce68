package obs

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/trace"
)

const (
	traceID = "4bf92f3577b34da6a3ce929d0e0e4736"
	spanID  = "00f067aa0ba902b7"
)

func TestCloudNames(t *testing.T) {
	t.Parallel()
	for level, want := range map[slog.Level]string{
		slog.LevelDebug: "DEBUG", slog.LevelInfo: "INFO", slog.LevelWarn: "WARNING", slog.LevelError: "ERROR",
	} {
		var b bytes.Buffer
		NewLogger(&b, Options{Format: JSON, Level: slog.LevelDebug}).Log(t.Context(), level, "hello", "n", 1, "err", errors.New("why"))
		got := parse(t, &b)
		require.Equal(t, want, got["severity"])
		require.Equal(t, "hello", got["message"])
		require.Equal(t, "why", got["err"])
		require.Contains(t, got, "time")
		require.NotContains(t, got, "stack")
		require.NotContains(t, got, "msg")
		require.NotContains(t, got, "level")
		source, ok := got["logging.googleapis.com/sourceLocation"].(map[string]any)
		require.Equal(t, level == slog.LevelError, ok)
		if ok {
			require.Contains(t, source["file"], "obs_test.go")
			require.Regexp(t, "^[0-9]+$", source["line"])
			require.Contains(t, source["function"], "TestCloudNames")
		}
	}
}

func TestLevel(t *testing.T) {
	t.Parallel()
	for _, format := range []Format{JSON, Logfmt, Console} {
		var b bytes.Buffer
		l := NewLogger(&b, Options{Format: format, Level: slog.LevelWarn})
		l.Info("no")
		require.Empty(t, b.String())
		l.Warn("yes")
		require.Contains(t, b.String(), "yes")
	}
}

func TestTrace(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		traced  trace.Context
		project string
		cloud   map[string]any
		plain   string
	}{
		"none": {trace.Context{}, "p", nil, ""},
		"a span": {trace.Parse("00-" + traceID + "-" + spanID + "-01"), "p", map[string]any{
			"trace": "projects/p/traces/" + traceID, "spanId": spanID, "trace_sampled": true,
		}, " trace=" + traceID + " "},
		"a trace without a span": {trace.FromHeader(map[string][]string{"X-Cloud-Trace-Context": {traceID}}), "", map[string]any{
			"trace": traceID, "spanId": nil, "trace_sampled": false,
		}, " trace=" + traceID + " "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := trace.With(t.Context(), c.traced)
			var b bytes.Buffer
			log := InProject(NewLogger(&b, Options{}), c.project).With("a", 1).WithGroup("g").With("b", 2)
			log.InfoContext(ctx, "m", "c", 3)
			got := parse(t, &b)
			require.EqualValues(t, 1, got["a"])
			require.Equal(t, map[string]any{"b": 2.0, "c": 3.0}, got["g"])
			for _, field := range []string{"trace", "spanId", "trace_sampled"} {
				require.Equal(t, c.cloud[field], got["logging.googleapis.com/"+field], field)
			}

			b.Reset()
			InProject(NewLogger(&b, Options{Format: Logfmt}), c.project).WithGroup("g").InfoContext(ctx, "m", "c", 3)
			require.Contains(t, b.String(), "g.c=3")
			if c.plain == "" {
				require.NotContains(t, b.String(), "trace")
			} else {
				require.Contains(t, b.String(), c.plain)
			}
		})
	}
}

func TestCredentialsAreRedacted(t *testing.T) {
	t.Parallel()
	for _, format := range []Format{JSON, Logfmt, Console} {
		var b bytes.Buffer
		NewLogger(&b, Options{Format: format}).With("Authorization", "hush").WithGroup("cookies").With("a", "hush").
			Info("m", "x", "hush")
		NewLogger(&b, Options{Format: format}).Info("m", "token", "hush", "access_token", "hush", "Set-Cookie", "hush",
			"clientSecret", "hush", "PASSWORD", 1234567, "apikey", "hush", "sig", "hush", slog.Group("g", "secrets", []string{"hush"}),
			slog.Group("token", "x", "hush"),
			"header", http.Header{"Authorization": {"hush"}, "X-Auth-Key": {"hush"}, "Apikey": {"hush"}, "X-Fine": {"shown"}},
			"tokenizer", "shown2")
		require.NotContains(t, b.String(), "hush")
		require.NotContains(t, b.String(), "1234567")
		require.Contains(t, b.String(), "REDACTED")
		require.Contains(t, b.String(), "shown")
		require.Contains(t, b.String(), "shown2")
	}
}

func parse(t *testing.T, r io.Reader) map[string]any {
	t.Helper()
	var m map[string]any
	require.NoError(t, json.NewDecoder(r).Decode(&m))
	return m
}

// No text from outside is obeyed by the terminal that shows the log, in any format and at any
// place of a line. What JSON says is the text as it was.
func TestNoTextIsObeyedByATerminal(t *testing.T) {
	t.Parallel()
	for _, from := range []string{"\x1b[2J", "\u009b2J", "\u202egpj", "\u2066x", "\u2028x", "\x7f", "\r", "x\ny", "\U000e0001"} {
		for _, format := range []Format{JSON, Logfmt, Console} {
			var b bytes.Buffer
			l := NewLogger(&b, Options{Format: format}).With("a"+from, from).WithGroup("g" + from)
			l.Info("m"+from, "error", errors.New(from), "key"+from, from, "any", map[string]string{from: from}, "header", http.Header{"X": {from}})
			line := strings.TrimSuffix(b.String(), "\n")
			for _, r := range line {
				require.True(t, strconv.IsPrint(r), "%s: %q", format, line)
			}
			if format == JSON {
				got := parse(t, &b)
				require.Equal(t, "m"+from, got["message"])
				require.Equal(t, from, got["a"+from])
				require.Equal(t, from, got["g"+from].(map[string]any)["error"])
				require.Equal(t, map[string]any{from: from}, got["g"+from].(map[string]any)["any"])
			}
		}
	}
}
