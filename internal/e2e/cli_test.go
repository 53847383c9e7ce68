package e2e_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// faulty is a configuration with five errors.
const faulty = `{
  "serviceName": "",
  "trigger": {"type": "sometimes", "observationPeriod": 0},
  "endpoints": [{"eventKey": "a"}, {"eventKey": "a"}],
  "targetPubSub": {"topic": "sync"}
}`

var faultPaths = []string{
	"$.serviceName", "$.trigger.type", "$.trigger.observationPeriod", "$.endpoints[1].eventKey", "$.targetPubSub.topic",
}

func file(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.json")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

func TestCommands(t *testing.T) {
	t.Parallel()
	for _, arg := range []string{"version", "--version"} {
		code, out, _ := command(t, nil, arg)
		require.Zero(t, code)
		require.Regexp(t, `^headgate \S+\n$`, out)
	}

	code, out, _ := command(t, nil, "config", "schema")
	require.Zero(t, code)
	require.True(t, json.Valid([]byte(out)))
	require.Contains(t, out, "json-schema.org")

	code, out, _ = command(t, nil, "help")
	require.Zero(t, code)
	require.Contains(t, out, "Check a configuration")

	code, out, _ = command(t, nil, "serve", "-h")
	require.Zero(t, code)
	require.Contains(t, out, "--function")
}

func TestConfigCheck(t *testing.T) {
	t.Parallel()
	code, out, errs := command(t, nil, "config", "check", file(t, service("one", "my-project")))
	require.Zero(t, code, errs)
	require.Contains(t, out, `ok: "one"`)

	bad := file(t, faulty)
	code, out, errs = command(t, nil, "config", "check", bad)
	require.Equal(t, 1, code)
	require.Empty(t, out)
	require.Contains(t, errs, bad)
	for _, path := range faultPaths {
		require.Contains(t, errs, path)
	}

	code, _, errs = command(t, nil, "config", "check", file(t, "{\n  \"serviceName\": ]"))
	require.Equal(t, 1, code)
	require.Contains(t, errs, "line 2, column 18")

	code, _, errs = command(t, nil, "config", "check", filepath.Join(t.TempDir(), "nothing.json"))
	require.Equal(t, 1, code)
	require.Contains(t, errs, "nothing.json")
}

func TestRefusesToStart(t *testing.T) {
	t.Parallel()
	good := service("good", "my-project")
	for _, c := range []struct {
		name string
		env  []string
		args []string
		code int
		want []string // on standard error
	}{
		{"unknown command", nil, []string{"dance"}, 2, []string{`no command "dance"`, "Usage:"}},
		{"unknown flag", nil, []string{"--colour", "red"}, 2, []string{"--colour", "Usage:"}},
		{"flag without its value", nil, []string{"serve", "--addr"}, 2, []string{"--addr"}},
		{"stray argument", nil, []string{"serve", "now"}, 2, []string{`unexpected "now"`}},
		{"config without a verb", nil, []string{"config"}, 2, []string{"config needs a command", "check FILE"}},
		{"misspelt command", nil, []string{"sevre"}, 2, []string{"did you mean serve?"}},
		{"unknown function", nil, []string{"--function", "dance"}, 2, []string{`"dance"`, "ingest", "sweep"}},
		{"unknown store", nil, []string{"--store", "paper"}, 2, []string{`--store "paper"`, "sqlite or firestore"}},
		{"unknown bus", nil, []string{"--bus", "yellow"}, 2, []string{`--bus "yellow"`, "local or pubsub"}},
		{"bad CONFIG", []string{"CONFIG=" + faulty}, nil, 1, append([]string{"$CONFIG"}, faultPaths...)},
		{"CONFIG is not JSON", []string{"CONFIG=hello"}, nil, 1, []string{"$CONFIG", "line 1, column 1"}},
		{"no such CONFIG_FILE", []string{"CONFIG_FILE=/nowhere/c.json"}, nil, 1, []string{"/nowhere/c.json"}},
		{"no such --config", []string{"CONFIG=" + good}, []string{"--config", "/nowhere/d.json"}, 1, []string{"/nowhere/d.json"}},
		{"Cloud Run without a configuration", []string{"K_SERVICE=gate", "PORT=0"}, nil, 1, []string{"CONFIG"}},
		{"address that is none", nil, []string{"--addr", "nonsense"}, 1, []string{"nonsense"}},
		{"data directory that cannot be", nil, []string{"--data", "/dev/null/data"}, 1, []string{"/dev/null/data"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			args := c.args
			if !strings.Contains(strings.Join(args, " "), "-addr") && (len(args) == 0 || args[0][0] == '-') && c.env == nil {
				args = append([]string{"--addr", "127.0.0.1:0"}, args...)
			}
			code, _, errs := command(t, c.env, args...)
			require.Equal(t, c.code, code, errs)
			for _, want := range c.want {
				require.Contains(t, errs, want)
			}
			require.NotContains(t, errs, "goroutine ")
		})
	}
}

// The flag overrides CONFIG, and CONFIG overrides CONFIG_FILE.
func TestConfigPrecedence(t *testing.T) {
	t.Parallel()
	flag, inFile := file(t, service("by flag", "p")), "CONFIG_FILE="+file(t, service("by file", "p"))
	variable := "CONFIG=" + service("by variable", "p")
	for _, c := range []struct {
		want      string
		env, args []string
	}{
		{"by flag", []string{variable, inFile}, []string{"--config", flag}},
		{"by variable", []string{variable, inFile}, nil},
		{"by file", []string{inFile}, nil},
		{"My First Event Sync", nil, nil},
	} {
		t.Run(c.want, func(t *testing.T) {
			t.Parallel()
			p := start(t, options{env: c.env, args: c.args})
			_, body, err := p.call("GET", "/status", "")
			require.NoError(t, err)
			require.Contains(t, string(body), c.want)
			_, body, err = p.call("GET", "/config", "")
			require.NoError(t, err)
			require.Contains(t, string(body), c.want)
		})
	}
}

func TestPortInUse(t *testing.T) {
	t.Parallel()
	p := start(t, options{})
	p.event(t, "entry1", "mine")
	code, out, errs := command(t, nil, "--addr", p.addr, "--data", p.o.data)
	require.Equal(t, 1, code)
	require.Contains(t, errs, p.addr+" is in use")
	require.Empty(t, out)

	elsewhere := filepath.Join(t.TempDir(), "fresh")
	code, _, _ = command(t, nil, "--addr", p.addr, "--data", elsewhere)
	require.Equal(t, 1, code)
	require.NoDirExists(t, elsewhere, "nothing is opened before the address is taken")

	require.NotNil(t, p.event(t, "entry2", "mine too").Triggered)
	c := newCensus()
	c.collect(t, p, 0)
	c.check(t, []string{"mine", "mine too"})
}

func TestServesOneFunction(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	p := start(t, options{args: []string{"--function", "ingest"}, data: data})
	p.event(t, "entry1", "hello")
	for _, path := range []string{"/", "/healthz", "/readyz", "/openapi.json"} {
		require.NoError(t, p.expect(200, "GET", path), path)
	}
	for _, path := range []string{"/status", "/messages", "/messages/x", "/config", "/trigger", "/reset", "/event/trigger", "/nothing"} {
		require.NoError(t, p.expect(404, "GET", path), path)
	}
	for _, path := range []string{"/check", "/sweep", "/trigger", "/messages/x/replay", "/services/My%20First%20Event%20Sync/check"} {
		require.NoError(t, p.expect(404, "POST", path), path)
	}
	code, _ := p.term(t, 8*time.Second)
	require.Zero(t, code)

	p = start(t, options{args: []string{"--function", "status"}, data: data})
	require.Equal(t, 1, p.status(t).have())
	require.NoError(t, p.expect(404, "POST", "/event/entry1"))
}
