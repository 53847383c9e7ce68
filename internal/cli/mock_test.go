package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// startMock runs a mock server until the test ends, and returns its address and the
// lines that it prints to try.
func startMock(t *testing.T, name string, args ...string) (base string, try []string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		args := append([]string{"mock", name, "--addr", "127.0.0.1:0"}, args...)
		status := Main(ctx, Process{Args: args, Getenv: noEnv, Stdout: w, Stderr: io.Discard})
		_ = w.Close()
		ended <- status
	}()
	t.Cleanup(func() {
		cancel()
		require.Zero(t, <-ended)
	})
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if _, at, ok := strings.Cut(line, " at http://"); ok {
			base = "http://" + at
		}
		if strings.HasPrefix(line, "curl ") {
			try = append(try, line)
		}
		if strings.HasSuffix(line, base+"/faults") && base != "" { // the last
			go func() { _, _ = io.Copy(io.Discard, r) }()
			return base, try
		}
	}
	require.NoError(t, lines.Err())
	require.Fail(t, "it prints nothing to try")
	return "", nil
}

var words = regexp.MustCompile(`'[^']*'|\S+`)

// curl sends the request of a command line. Ours use -H, -d and -X only.
func curl(t *testing.T, line string) (int, string) {
	t.Helper()
	method, target, body, header := "", "", "", http.Header{}
	args := words.FindAllString(line, -1)[1:]
	for i := 0; i < len(args); i++ {
		switch args[i] {
		case "-H":
			i++
			name, value, _ := strings.Cut(strings.Trim(args[i], "'"), ": ")
			header.Set(name, value)
		case "-d":
			i++
			body = strings.Trim(args[i], "'")
			header.Set("Content-Type", "application/x-www-form-urlencoded")
		case "-X":
			i++
			method = args[i]
		default:
			require.Empty(t, target, line)
			target = args[i]
		}
	}
	if method == "" && body != "" {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	require.NoError(t, err)
	req.Header = header
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(b)
}

// syncOf runs the sync that a line defines, and returns how many records the run created.
func syncOf(t *testing.T, line string) int {
	t.Helper()
	found := regexp.MustCompile(`^curl -d '(.*)' http://127\.0\.0\.1:8080/sync$`).FindStringSubmatch(line)
	require.NotNil(t, found, line)
	dir := t.TempDir()
	file := filepath.Join(dir, "tried.json")
	require.NoError(t, os.WriteFile(file, []byte(found[1]), 0o600))
	status, stdout, stderr := headgate(t, nil, "sync", "run", file, "--json", "--data", filepath.Join(dir, "data"))
	require.Zero(t, status, "%s%s", stdout, stderr)
	var ran struct{ Counts struct{ Created int } }
	require.NoError(t, json.Unmarshal([]byte(stdout), &ran), stdout)
	return ran.Counts.Created
}

func TestMocksAnswerWhatTheySayToTry(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		list string // what the first line shows
		rows int    // that the sync of the second line brings
	}{
		"sync-server": {"event-000002", 3},
		"openfn":      {"event-000002", 3},
		"mywell":      {"Owner 3", 7}, // a village, and wells with a reading each
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, try := startMock(t, name, "--rows", "3")
			require.Len(t, try, 3)
			status, body := curl(t, try[0])
			require.Equal(t, 200, status, body)
			require.Contains(t, body, c.list)
			require.NotContains(t, body, "event-000003")
			require.NotContains(t, body, "Owner 4")
			require.Equal(t, c.rows, syncOf(t, try[1]))
			status, body = curl(t, try[2])
			require.Equal(t, 200, status, body)
			require.JSONEq(t, `{"rate500":{"probability":0.5}}`, body)
		})
	}
	t.Run("external-data", func(t *testing.T) {
		t.Parallel()
		called := make(chan string, 1)
		headgate := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			called <- r.Method + " " + r.URL.Path + " " + string(b)
		}))
		t.Cleanup(headgate.Close)
		base, try := startMock(t, "external-data")
		require.Len(t, try, 4)
		for i, want := range []string{"Gamma", "registered", `"priority":7`} {
			status, body := curl(t, strings.ReplaceAll(try[i], "http://127.0.0.1:8080", headgate.URL))
			require.Equal(t, 200, status, "%s: %s", try[i], body)
			require.Contains(t, body, want)
		}
		select {
		case call := <-called:
			require.Equal(t, `POST /echo-external-data-webhook {"data":{"12":{"name":"Alpha","priority":7}}}`, call)
		case <-time.After(10 * time.Second):
			require.Fail(t, "Headgate was not called")
		}
		_, body := curl(t, "curl "+base+"/fetch-tasks")
		require.NotContains(t, body, "Gamma", "the list was replaced")
		status, body := curl(t, try[3])
		require.Equal(t, 200, status, body)
	})
}

func TestMockFlags(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"sync-server":   {"--fault", "rate500=true", "--fault", "rate429=0"},
		"openfn":        {"--rows", "0", "--fault", `rate500={"next":9}`},
		"mywell":        {"-fault=rate500=1"},
		"external-data": {"--fault", "rate500=1.0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			base, try := startMock(t, name, args...)
			status, _ := curl(t, try[0])
			require.Equal(t, 500, status)
			status, body := curl(t, "curl "+base+"/faults")
			require.Equal(t, 200, status)
			require.Contains(t, body, `"rate500"`)
			require.NotContains(t, body, `"rate429"`)
			if name == "openfn" {
				_, body = curl(t, "curl "+base+"/data/event")
				require.JSONEq(t, `[]`, body)
			}
		})
	}
	t.Run("address in use", func(t *testing.T) {
		t.Parallel()
		base, _ := startMock(t, "mywell")
		status, _, stderr := headgate(t, nil, "mock", "openfn", "--addr", strings.TrimPrefix(base, "http://"))
		require.Equal(t, exitError, status)
		require.Contains(t, stderr, "address already in use")
		require.NotContains(t, stderr, "Usage:")
	})
	t.Run("help", func(t *testing.T) {
		t.Parallel()
		status, stdout, _ := headgate(t, nil, "mock", "openfn", "-h")
		require.Zero(t, status)
		for _, want := range []string{"--addr", "127.0.0.1:3001", "--rows", "--fault NAME=VALUE"} {
			require.Contains(t, stdout, want)
		}
	})
}

func TestMockRefusesToStart(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no name":                {nil, "mock needs a server"},
		"unknown name":           {[]string{"dragon"}, `no server "dragon"`},
		"unknown flag":           {[]string{"mywell", "--colour", "red"}, "--colour"},
		"stray argument":         {[]string{"mywell", "now"}, `unexpected "now"`},
		"rows that are none":     {[]string{"mywell", "--rows", "many"}, "--rows"},
		"fewer rows than none":   {[]string{"mywell", "--rows", "-1"}, "--rows must be from 0 to 1000000"},
		"too many rows":          {[]string{"mywell", "--rows", "1000001"}, "--rows must be from 0 to 1000000"},
		"unknown fault":          {[]string{"mywell", "--fault", "dance=1"}, `"dance" is not a fault`},
		"fault without a value":  {[]string{"mywell", "--fault", "rate500"}, "must be NAME=VALUE"},
		"fault of no number":     {[]string{"mywell", "--fault", "rate500=often"}, "rate500=often"},
		"fault out of its range": {[]string{"mywell", "--fault", "rate500=2"}, "a probability must be from 0 to 1"},
		"rows it has not":        {[]string{"external-data", "--rows", "5"}, "unknown flag: --rows"},
		"fault below zero":       {[]string{"external-data", "--fault", "delayMs=-5"}, "no number may be negative"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, stdout, stderr := headgate(t, nil, append([]string{"mock"}, c.args...)...)
			require.Equal(t, exitUsage, status)
			require.Contains(t, stderr, c.want)
			require.Contains(t, stderr, "Usage:\n  headgate mock ")
			require.Empty(t, stdout)
		})
	}
}
