package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/event"
)

// The lines are the same from a server, and from the store when no server has it open.
func TestEventsAtEveryPlace(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	env := map[string]string{"CONFIG": fmt.Sprintf(twoServices, "")}
	var lines string
	run := func(args ...string) string {
		t.Helper()
		status, stdout, stderr := headgate(t, env, append([]string{"events"}, args...)...)
		require.Zero(t, status, stderr)
		return stdout
	}
	t.Run("served", func(t *testing.T) {
		base, _ := serving(t, env, "--data", data)
		for _, args := range [][]string{{"order", "-d", "one\x1b"}, {"order", "-d", "two"}, {"payment", "-d", "three"}, {"x", "-d", "other", "--service", "a/b"}} {
			status, _, stderr := headgate(t, env, append([]string{"send", "--url", base}, args...)...)
			require.Zero(t, status, stderr)
		}
		lines = run("--url", base)
		require.Equal(t, lines, run("--data", data))
	})
	require.Equal(t, lines, run("--data", data))
	var records []event.Record
	for line := range strings.Lines(lines) {
		var r event.Record
		require.NoError(t, json.Unmarshal([]byte(line), &r))
		records = append(records, r)
	}
	require.Len(t, records, 3)
	require.Equal(t, []string{"one\x1b", "two", "three"}, []string{records[0].Content, records[1].Content, records[2].Content})
	at := func(i int) string { return records[i].ReceivedAt.Format(time.RFC3339Nano) }
	require.Equal(t, 1, strings.Count(run("--data", data, "--since", at(1), "--until", at(2)), "\n"))
	require.Equal(t, 3, strings.Count(run("--data", data, "--since", "1h"), "\n"))
	require.Empty(t, run("--data", data, "--until", "1h"))
	require.Contains(t, run("--data", data, "--endpoint", "payment"), `"three"`)
	require.Contains(t, run("--data", data, "--service", "a/b"), `"other"`)
	table := strings.Split(run("--data", data, "-o", "table"), "\n")
	require.Regexp(t, `^received +id +endpoint +key +content$`, table[0])
	require.Regexp(t, `^[0-9T:.-]+Z  [0-9a-f]{32}  order +-  +one\\x1b$`, table[1])

	for want, args := range map[string][]string{
		"no service \"none\"":             {"--service", "none"},
		"this service has no correlation": {"--key", "1"},
	} {
		status, _, stderr := headgate(t, env, append([]string{"events", "--data", data}, args...)...)
		require.Equal(t, exitError, status)
		require.Contains(t, stderr, want)
	}
	for want, args := range map[string][]string{
		"--since must be a time":              {"--since", "yesterday"},
		"--until is empty":                    {"--until", ""},
		"--output must be table or json":      {"-o", "xml"},
		"--url and --data exclude each other": {"--url", "http://h", "--data", "d"},
	} {
		status, _, stderr := headgate(t, env, append([]string{"events"}, args...)...)
		require.Equal(t, exitUsage, status)
		require.Contains(t, stderr, want)
	}
	none := filepath.Join(t.TempDir(), "none")
	status, stdout, stderr := headgate(t, env, "events", "--data", none)
	require.Zero(t, status)
	require.Empty(t, stdout)
	require.Equal(t, "there is no store in "+none+"\n", stderr)
	require.NoDirExists(t, none)
}

// A stream that breaks off goes on behind the last line, and no line comes twice.
func TestEventsGoOnWhereAStreamBrokeOff(t *testing.T) {
	t.Parallel()
	line := func(n int) string {
		return fmt.Sprintf(`{"id":"%032d","service":"s","eventKey":"a","receivedAt":"2026-11-27T06:00:%02dZ","method":"POST","content":""}`+"\n", n, n/2)
	}
	var asked []string
	answers := []func(http.ResponseWriter){
		func(w http.ResponseWriter) {
			fmt.Fprint(w, line(0), line(1), line(2), `{"error":"the store is away","next":"x"}`+"\n")
		},
		func(w http.ResponseWriter) {
			fmt.Fprint(w, line(2), line(3), line(4)[:40])
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		},
		func(w http.ResponseWriter) { fmt.Fprint(w, line(2), line(3), line(4)) },
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.RawQuery)
		answer := answers[0]
		answers = answers[1:]
		answer(w)
	}))
	defer s.Close()
	status, stdout, stderr := headgate(t, nil, "events", "--url", s.URL, "--endpoint", "a")
	require.Zero(t, status, stderr)
	require.Equal(t, line(0)+line(1)+line(2)+line(3)+line(4), stdout)
	require.Equal(t, []string{"eventKey=a", "eventKey=a&since=2026-11-27T06%3A00%3A01Z", "eventKey=a&since=2026-11-27T06%3A00%3A01Z"}, asked)

	answers = []func(http.ResponseWriter){func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprint(w, `{"detail":"the store is away"}`)
	}}
	status, stdout, stderr = headgate(t, nil, "events", "--url", s.URL)
	require.Equal(t, exitError, status)
	require.Empty(t, stdout)
	require.Equal(t, "headgate: the store is away\n", stderr)
}

// Without a server, the names of endpoints come from the configuration.
func TestCompletionOfEndpointsFromTheConfiguration(t *testing.T) {
	t.Parallel()
	env := map[string]string{"CONFIG": fmt.Sprintf(twoServices, "")}
	data := []string{"--data", filepath.Join(t.TempDir(), "none")}
	require.Equal(t, "order\npayment\n:4\n", completion(t, env, data, "send", ""))
	require.Equal(t, "x\ny\n:4\n", completion(t, env, data, "events", "--service", "a/b", "--endpoint", ""))
	require.Equal(t, ":4\n", completion(t, env, []string{"--url", "http://127.0.0.1:1"}, "send", ""))
}
