package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	syncrun "github.com/headgate/headgate/internal/sync/run"
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

// The live channel tells when to look: changes appear although no look is due for an hour.
// Runs of syncs have a line for each state, and the terminal keeps those that go on.
func TestWatchFollowsTheLiveChannel(t *testing.T) {
	t.Parallel()
	data, files := filepath.Join(t.TempDir(), "data"), t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(files, "wells.csv"), []byte("id,depth\n1,10\n2,x\n"), 0o600))
	env := map[string]string{"CONFIG": fmt.Sprintf(twoServices, fmt.Sprintf(`,"sync":{"directory":%q}`, files))}
	base, _ := serving(t, env, "--data", data)
	next, stop := watching(t, env, "--url", base, "--every", "1h")
	nextJSON, _ := watching(t, env, "--url", base, "--every", "1h", "-o", "json")
	require.Contains(t, next(), "orders  order 0 of 1, payment 0 of 1")
	for _, endpoint := range []string{"order", "payment"} {
		status, _, stderr := headgate(t, env, "send", endpoint, "-d", "x", "--url", base)
		require.Zero(t, status, stderr)
	}
	require.Regexp(t, `message [0-9a-f]{32}  published  2 events$`, until(next, "published"))

	definition := filepath.Join(t.TempDir(), "wells.json")
	require.NoError(t, os.WriteFile(definition, []byte(`{"id":"wells","orgId":"o","type":"pull",
		"datasource":{"type":"csv","fileUrl":"wells.csv","selectedDatatypes":["wells"]}}`), 0o600))
	_, _, stderr := headgate(t, env, "sync", "run", definition, "--url", base)
	require.Contains(t, until(next, "sync wells  pull finished"), "2 rows", stderr)
	var line struct{ Run syncrun.Run }
	for line.Run.State != syncrun.Finished {
		line.Run = syncrun.Run{}
		require.NoError(t, json.Unmarshal([]byte(until(nextJSON, `{"run":`)), &line))
	}
	require.Equal(t, "wells", line.Run.SyncID)
	status, errs := stop()
	require.Zero(t, status)
	require.Empty(t, errs)
}

// A server without the live channel is looked at every --every, and the user is told once.
func TestWatchWithoutTheLiveChannel(t *testing.T) {
	t.Parallel()
	env := map[string]string{"CONFIG": fmt.Sprintf(twoServices, "")}
	base, _ := serving(t, env, "--data", filepath.Join(t.TempDir(), "data"))
	at, err := url.Parse(base)
	require.NoError(t, err)
	behind := httputil.NewSingleHostReverseProxy(at)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/live" {
			http.NotFound(w, r)
			return
		}
		behind.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	ctx, cancel := context.WithCancel(t.Context())
	outR, outW := io.Pipe()
	errR, errW := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		ended <- Main(ctx, Process{
			Args: []string{"watch", "--every", "50ms", "--url", server.URL}, Getenv: func(name string) string { return env[name] }, Stdout: outW, Stderr: errW,
		})
		_ = outW.Close()
		_ = errW.Close()
	}()
	out, errs := bufio.NewScanner(outR), bufio.NewScanner(errR)
	require.True(t, out.Scan())
	require.True(t, errs.Scan())
	require.Regexp(t, `^no live channel, so a look every 50ms, and no runs of syncs: `, errs.Text())
	status, _, stderr := headgate(t, env, "send", "order", "-d", "x", "--url", base)
	require.Zero(t, status, stderr)
	require.True(t, out.Scan())
	require.Contains(t, out.Text(), "order 1 of 1, payment 0 of 1")
	cancel()
	go func() { _, _ = io.Copy(io.Discard, outR) }()
	require.False(t, errs.Scan(), "it is told once")
	require.Zero(t, <-ended)
}

// Lines are drawn again only where they can be: at a terminal that moves its cursor.
func TestWhereLinesAreDrawnAgain(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		terminal bool
		env      map[string]string
		want     bool
	}{
		{true, map[string]string{"TERM": "xterm-256color"}, true},
		{true, map[string]string{"NO_COLOR": "1"}, true}, // nothing here has a colour
		{true, map[string]string{"TERM": "dumb"}, false},
		{false, map[string]string{"TERM": "xterm-256color"}, false},
	} {
		require.Equal(t, c.want, redraws(c.terminal, func(name string) string { return c.env[name] }), c)
	}
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
	v.run(nil, &syncrun.Run{SyncID: "wells\x1b", Method: "pull", State: syncrun.Running, Counts: syncrun.Counts{Read: 7}}, true)
	require.NoError(t, v.flush())
	require.Regexp(t, `^\x1b\[1A\x1b\[Jno window has events\n\d\d:\d\d:\d\d  sync wells\\x1b  pull running \n$`, out.String(), "cut at the terminal's edge")
	out.Reset()
	v.run(nil, &syncrun.Run{SyncID: "wells\x1b", Method: "pull", State: syncrun.Failed, Errors: []string{"gone"}}, true)
	require.NoError(t, v.flush())
	require.Regexp(t, `^\x1b\[2A\x1b\[J\d\d:\d\d:\d\d  sync wells\\x1b  pull failed  0 rows  error: gone\nno window has events\n$`, out.String())
	out.Reset()
	v.notice(nil, "away\x1b")
	require.Regexp(t, `^\x1b\[1A\x1b\[J\d\d:\d\d:\d\d  away\\x1b\nno window has events\n$`, out.String())
	for line := range strings.Lines(out.String()) {
		require.LessOrEqual(t, len(line), 40)
	}
}
