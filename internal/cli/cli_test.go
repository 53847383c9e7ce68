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

func TestUsageErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args  []string
		want  string
		usage string
	}{
		"misspelt command":      {[]string{"synk"}, `no command "synk": did you mean sync?`, "headgate COMMAND"},
		"unknown command":       {[]string{"dance"}, `no command "dance"`, "headgate COMMAND"},
		"misspelt, with flags":  {[]string{"synk", "list", "--url", "http://x", "--json"}, `no command "synk": did you mean sync?`, "headgate COMMAND"},
		"misspelt, with a flag": {[]string{"sync", "lsit", "--data", "x"}, `no command "lsit": did you mean list?`, "headgate sync COMMAND"},
		"unknown flag":          {[]string{"--colour", "red"}, "unknown flag: --colour", "headgate [flags]"},
		"unknown one-dash flag": {[]string{"-colour", "red"}, "unknown flag: --colour", "headgate [flags]"},
		"flag without a value":  {[]string{"serve", "-addr"}, "flag needs an argument: --addr", "headgate serve [flags]"},
		"stray operand":         {[]string{"serve", "now"}, `unexpected "now"`, "headgate serve [flags]"},
		"no sync command":       {[]string{"sync"}, "sync needs a command", "headgate sync COMMAND"},
		"misspelt sync command": {[]string{"sync", "lsit"}, `no command "lsit": did you mean list?`, "headgate sync COMMAND"},
		"no operand":            {[]string{"sync", "run"}, "sync run needs an ID or a FILE", "headgate sync run {ID | FILE} [flags]"},
		"one operand too many":  {[]string{"sync", "runs", "a", "b"}, `unexpected "b"`, "headgate sync runs ID [flags]"},
		"method":                {[]string{"sync", "run", "x", "--method", "teleport"}, `--method must be pull, push or both, not "teleport"`, "headgate sync run {ID | FILE} [flags]"},
		"help of no command":    {[]string{"help", "dance"}, `no command "dance"`, "headgate help [COMMAND]"},
		"flag of others":        {[]string{"config", "check", "x", "--data", "y"}, "unknown flag: --data", "headgate config check FILE [flags]"},
		"unknown shell":         {[]string{"completion", "tcsh"}, `no shell "tcsh"`, "headgate completion SHELL"},
		"two places":            {[]string{"sync", "list", "--url", "http://x", "--data", "y"}, "--url and --data exclude each other", "headgate sync list [flags]"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, stdout, stderr := headgate(t, nil, c.args...)
			require.Equal(t, exitUsage, status)
			require.Empty(t, stdout)
			require.True(t, strings.HasPrefix(stderr, "headgate: "+c.want), stderr)
			require.Contains(t, stderr, "\n  "+c.usage+"\n")
			require.Equal(t, 1, strings.Count(stderr, c.want), "an error is printed once")
		})
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	for _, arg := range []string{"version", "--version", "-version"} {
		var out bytes.Buffer
		require.Zero(t, Main(t.Context(), Process{Args: []string{arg}, Getenv: noEnv, Stdout: &out, Stderr: io.Discard, Version: "v1.2.3"}))
		require.Equal(t, "headgate v1.2.3\n", out.String())
	}
}

func TestCompletion(t *testing.T) {
	t.Parallel()
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		status, stdout, _ := headgate(t, nil, "completion", shell)
		require.Zero(t, status)
		require.Contains(t, stdout, "headgate")
	}
	for want, args := range map[string][]string{
		"rejects":     {"sync", "re"},
		"--validate":  {"sync", "run", "--val"},
		"syncrun":     {"serve", "--function", "sy"},
		"firestore":   {"sync", "list", "--store", ""},
		"sync-server": {"mock", ""},
		"both":        {"sync", "run", "--method", ""},
		":8":          {"sync", "apply", ""}, // files with the ends that were listed before
	} {
		status, stdout, _ := headgate(t, nil, append([]string{"__complete"}, args...)...)
		require.Zero(t, status)
		require.Contains(t, stdout, want)
	}
}
