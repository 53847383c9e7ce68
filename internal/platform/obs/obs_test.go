package obs

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
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
	type want struct {
		trace, span string
		sampled     bool
	}
	for name, c := range map[string]struct {
		header, value string
		want          *want
	}{
		"W3C":                  {"traceparent", "00-" + traceID + "-" + spanID + "-01", &want{traceID, spanID, true}},
		"W3C, not sampled":     {"traceparent", "00-" + traceID + "-" + spanID + "-00", &want{traceID, spanID, false}},
		"a later W3C":          {"traceparent", "01-" + traceID + "-" + spanID + "-01-more", &want{traceID, spanID, true}},
		"zero trace":           {"traceparent", "00-00000000000000000000000000000000-" + spanID + "-01", nil},
		"forbidden version":    {"traceparent", "ff-" + traceID + "-" + spanID + "-01", nil},
		"upper case":           {"traceparent", "00-4BF92F3577B34DA6A3CE929D0E0E4736-" + spanID + "-01", nil},
		"short":                {"traceparent", "00-" + traceID, nil},
		"Google":               {"X-Cloud-Trace-Context", traceID + "/255;o=1", &want{traceID, "00000000000000ff", true}},
		"Google, trace only":   {"X-Cloud-Trace-Context", traceID, &want{traceID, "", false}},
		"Google, no span":      {"X-Cloud-Trace-Context", traceID + ";o=1", &want{traceID, "", true}},
		"Google, not an id":    {"X-Cloud-Trace-Context", "x/1;o=1", nil},
		"Google, odd span":     {"X-Cloud-Trace-Context", traceID + "/x;o=0", &want{traceID, "", false}},
		"some other's headers": {"X-B3-Traceid", traceID, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var b bytes.Buffer
			log := NewLogger(&b, Options{}).With("a", 1).WithGroup("g").With("b", 2)
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set(c.header, c.value)
			Traced("p", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				log.InfoContext(r.Context(), "m", "c", 3)
			})).ServeHTTP(httptest.NewRecorder(), r)
			got := parse(t, &b)
			require.EqualValues(t, 1, got["a"])
			require.Equal(t, map[string]any{"b": 2.0, "c": 3.0}, got["g"])
			if c.want == nil {
				require.NotContains(t, got, "logging.googleapis.com/trace")
				require.Equal(t, t.Context(), WithTrace(t.Context(), r, "p"))
				return
			}
			require.Equal(t, "projects/p/traces/"+c.want.trace, got["logging.googleapis.com/trace"])
			require.Equal(t, c.want.sampled, got["logging.googleapis.com/trace_sampled"])
			if c.want.span == "" {
				require.NotContains(t, got, "logging.googleapis.com/spanId")
			} else {
				require.Equal(t, c.want.span, got["logging.googleapis.com/spanId"])
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
