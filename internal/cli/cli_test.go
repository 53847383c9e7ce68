package cli

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files")

func noEnv(string) string { return "" }

// headgate runs the command to its end.
func headgate(t *testing.T, env map[string]string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	status = Main(t.Context(), Process{
		Args: args, Getenv: func(name string) string { return env[name] }, Stdout: &out, Stderr: &errs,
	})
	return status, out.String(), errs.String()
}

// serving runs a server until the test ends, and returns its address and banner.
func serving(t *testing.T, env map[string]string, args ...string) (base, banner string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	ended := make(chan int, 1)
	log := new(bytes.Buffer)
	go func() {
		status := Main(ctx, Process{
			Args:   append([]string{"serve", "--addr", "127.0.0.1:0"}, args...),
			Getenv: func(name string) string { return env[name] }, Stdout: w, Stderr: log,
		})
		_ = w.Close()
		ended <- status
	}()
	t.Cleanup(func() {
		cancel()
		status := <-ended
		require.Zero(t, status, log)
	})
	var said strings.Builder
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		said.WriteString(lines.Text() + "\n")
		if strings.HasSuffix(lines.Text(), "/messages") && strings.Contains(lines.Text(), "curl") { // the last
			go func() { _, _ = io.Copy(io.Discard, r) }()
			return regexp.MustCompile(`http://[0-9.:]+`).FindString(lines.Text()), said.String()
		}
	}
	require.Fail(t, "the server ended", said.String())
	return "", ""
}

// csvSync writes a CSV file of three rows and the definition of a sync of it, and
// returns the definition's path. The last row has no number where bad is true.
func csvSync(t *testing.T, dir, id string, bad bool) string {
	t.Helper()
	rows := "well,value\nw1,1.5\nw2,2.5\nw3,3.5\n"
	if bad {
		rows = strings.Replace(rows, "3.5", "high", 1)
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, id+".csv"), []byte(rows), 0o600))
	file := filepath.Join(dir, id+".json")
	require.NoError(t, os.WriteFile(file, []byte(`{"orgId":"acme","type":"pull","maxRejected":0.5,
		"datasource":{"type":"csv","fileUrl":"`+id+`.csv","selectedDatatypes":["reading"]},
		"mapping":{"reading":{"key":["well"],"fields":{"value":{"from":"value","type":"number","required":true}}}}}`), 0o600))
	return file
}

// configOf returns a configuration whose syncs read below the directory.
func configOf(dir, more string) string {
	return `{"serviceName":"s","trigger":{"type":"none","observationPeriod":60},"endpoints":[{"eventKey":"a"},{"eventKey":"b"}],
		"targetPubSub":{"topic":"projects/p/topics/sync"},"sync":{"directory":"` + dir + `"}` + more + `}`
}

func TestVersion(t *testing.T) {
	t.Parallel()
	for _, arg := range []string{"version", "--version", "-version"} {
		var out bytes.Buffer
		require.Zero(t, Main(t.Context(), Process{Args: []string{arg}, Getenv: noEnv, Stdout: &out, Stderr: io.Discard, Version: "v1.2.3"}))
		require.Equal(t, "headgate v1.2.3\n", out.String())
	}
}
