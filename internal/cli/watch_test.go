package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// watching runs headgate watch. next returns its next line; stop ends it as Ctrl-C does, and
// returns its exit status and the notices.
func watching(t *testing.T, env map[string]string, args ...string) (next func() string, stop func() (int, string)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	var errs strings.Builder
	ended := make(chan int, 1)
	go func() {
		ended <- Main(ctx, Process{
			Args: append([]string{"watch", "--every", "50ms"}, args...), Getenv: func(name string) string { return env[name] }, Stdout: w, Stderr: &errs,
		})
		_ = w.Close()
	}()
	lines := bufio.NewScanner(r)
	next = func() string {
		t.Helper()
		require.True(t, lines.Scan(), "the command ended")
		return lines.Text()
	}
	stop = func() (int, string) {
		cancel()
		go func() { _, _ = io.Copy(io.Discard, r) }()
		status := <-ended
		ended <- status // for the cleanup
		return status, errs.String()
	}
	t.Cleanup(func() { _, _ = stop() })
	return next, stop
}

// until returns the first line that contains the text.
func until(next func() string, text string) string {
	for {
		if line := next(); strings.Contains(line, text) {
			return line
		}
	}
}

func TestWatchShowsWhatChanges(t *testing.T) {
	t.Parallel()
	env := map[string]string{"CONFIG": fmt.Sprintf(twoServices, "")}
	base, _ := serving(t, env, "--data", filepath.Join(t.TempDir(), "data"))
	send := func(endpoint string) {
		status, _, stderr := headgate(t, env, "send", endpoint, "-d", "x", "--url", base)
		require.Zero(t, status, stderr)
	}
	send("order")
	send("payment") // a message that nobody watched
	next, stop := watching(t, env, "--url", base)
	nextJSON, stopJSON := watching(t, env, "--url", base, "-o", "json")
	require.Regexp(t, `^\d\d:\d\d:\d\d  orders  order 0 of 1, payment 0 of 1$`, next())
	require.Contains(t, nextJSON(), `{"status":{`)
	send("order")
	until(next, "orders  order 1 of 1, payment 0 of 1")
	send("payment")
	require.Regexp(t, `^\d\d:\d\d:\d\d  message [0-9a-f]{32}  published  2 events$`, until(next, "published"))
	var line struct{ Message messageAnswer }
	for line.Message.State != "published" {
		line.Message = messageAnswer{}
		require.NoError(t, json.Unmarshal([]byte(until(nextJSON, `{"message":`)), &line))
	}
	require.Equal(t, 2, line.Message.NumberOfEvents)
	for _, end := range []func() (int, string){stop, stopJSON} {
		status, errs := end()
		require.Zero(t, status, errs)
		require.Empty(t, errs)
	}
}

// A service with deadlines shows its windows, and a server that restarts is found again.
func TestWatchSurvivesARestart(t *testing.T) {
	t.Parallel()
	cfg := `{"serviceName":"s","correlation":{"key":"event.body.order"},"trigger":{"type":"window","window":"session","observationPeriod":900,"onClose":"partial"},
		"endpoints":[{"eventKey":"order"},{"eventKey":"payment"}],"targetPubSub":{"topic":"projects/p/topics/sss"}}`
	env := map[string]string{"CONFIG": cfg}
	data := filepath.Join(t.TempDir(), "data")
	send := func(endpoint, body string) {
		t.Helper()
		status, _, stderr := headgate(t, env, "send", endpoint, "-d", body, "--data", data)
		require.Zero(t, status, stderr)
	}
	var next func() string
	var stop func() (int, string)
	t.Run("first", func(first *testing.T) {
		serving(first, env, "--data", data)
		send("order", `{"order":17}`)
		next, stop = watching(t, env, "--data", data)
		require.Regexp(t, `^\d\d:\d\d:\d\d  window 17  order 1 of 1, payment 0 of 1  closes \d\d:\d\d:\d\d  missing payment 0 of 1$`, next())
	})
	serving(t, env, "--data", data)
	send("payment", `{"order":17}`)
	require.Regexp(t, `message [0-9a-f]{32}  published  2 events  key 17  complete$`, until(next, "published"))
	status, errs := stop()
	require.Zero(t, status)
	require.Regexp(t, `^(.*; trying again until it answers\nthe server answers again\n)*$`, errs)
}

// The first look must succeed, or a wrong address would never be told.
func TestWatchTellsAWrongAddress(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := "http://" + l.Addr().String()
	require.NoError(t, l.Close())
	status, _, stderr := headgate(t, nil, "watch", "--url", address)
	require.Equal(t, exitError, status)
	require.Contains(t, stderr, address+" does not answer")
	status, _, stderr = headgate(t, nil, "watch", "--url", address, "--every", "1ms")
	require.Equal(t, exitUsage, status)
	require.Contains(t, stderr, "--every must be at least 50ms")
}

// On a terminal, the windows stay at the bottom: they are drawn again, and no line wraps.
func TestWatchOnATerminal(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	v := &screenView{w: &out, size: func() (int, int, error) { return 40, 4, nil }}
	window := func(key string) watchedWindow {
		return watchedWindow{windowAnswer: windowAnswer{CorrelationKey: key, State: "open", Endpoints: []shortfall{{"order", 1, 1}, {"payment\x1b", 0, 1}}}}
	}
	v.windows([]watchedWindow{window("a"), window("b"), window("c")}, true)
	require.NoError(t, v.flush())
	require.Equal(t, 2, strings.Count(out.String(), "\n"), "a terminal of four rows")
	out.Reset()
	v.message(nil, &messageAnswer{EventID: "e1", State: "published", NumberOfEvents: 2})
	v.windows(nil, false)
	require.NoError(t, v.flush())
	require.Regexp(t, `^\x1b\[2A\x1b\[J\d\d:\d\d:\d\d  message e1  published  2 events\nno window has events\n$`, out.String())
	out.Reset()
	v.notice(nil, "away\x1b")
	require.Regexp(t, `^\x1b\[1A\x1b\[J\d\d:\d\d:\d\d  away\\x1b\nno window has events\n$`, out.String())
	for line := range strings.Lines(out.String()) {
		require.LessOrEqual(t, len(line), 40)
	}
}
