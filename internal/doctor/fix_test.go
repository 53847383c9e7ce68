package doctor

import (
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
)

// standIns print the words that they get, a line each.
const standIns = "curl() { printf '%s\\n' \"$@\"; }\ngcloud() { printf '%s\\n' \"$@\"; }\n"

// A command that lacks a value which nobody knows here runs nothing, and says what to set. With
// the values it runs.
func TestFixesRunNothingWithoutTheirValues(t *testing.T) {
	t.Parallel()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("needs bash")
	}
	w := newWorld(t, deployed)
	w.Place.URL, w.Config.Auth = "", &config.Auth{}
	e := &examination{w.Options}
	b := beat{job: "headgate-sweep", path: "/sweep"}
	values := []string{"REGION=europe-west3", "HEADGATE_URL=https://gate.example.com", "HEADGATE_TOKEN=t"}
	for _, c := range []struct{ fix, has string }{
		{e.curl("POST", b.path), "https://gate.example.com/sweep"}, {e.curl("POST", b.path), "Authorization: Bearer t"},
		{e.schedule(t.Context(), b, true), "--uri=https://gate.example.com/sweep"}, {e.schedule(t.Context(), b, false), "--location=europe-west3"},
		{e.unresolved(t.Context(), "env:A", "$.hooks", nil).Fix, "--region=europe-west3"},
	} {
		run := func(env []string) (string, error) {
			cmd := exec.CommandContext(t.Context(), bash, "-c", standIns+c.fix)
			cmd.Env = env
			out, err := cmd.CombinedOutput()
			return string(out), err
		}
		out, err := run(nil)
		require.Error(t, err, c.fix)
		require.Contains(t, out, ": set it to ")
		require.Equal(t, 1, strings.Count(out, "\n"), "nothing but the message: %s", out)
		out, err = run(values)
		require.NoError(t, err, c.fix)
		require.Contains(t, strings.Split(out, "\n"), c.has)
	}
}

// The region is that of this process, or else that of a queue of the configuration.
func TestRegion(t *testing.T) {
	t.Parallel()
	w := newWorld(t, deployed)
	e := &examination{w.Options}
	e.Config.Services[0].Timers = &config.Timers{Queue: "projects/p-1/locations/europe-west4/queues/q"}
	require.Equal(t, "europe-west4", e.region(t.Context()))
	e.Place.Own = func(context.Context) (string, string) { return "europe-west3", "" }
	require.Equal(t, "europe-west3", e.region(t.Context()))
}

// A setting of gcloud that is not set is an empty word, and gcloud says nothing of it that a
// person would see: no command that is offered asks for one.
func TestNoCommandAsksForASettingOfGcloud(t *testing.T) {
	t.Parallel()
	for _, root := range []string{"../../internal", "../../functions"} {
		require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || strings.HasSuffix(path, "_test.go") || filepath.Ext(path) != ".go" && filepath.Ext(path) != ".js" {
				return err
			}
			text, err := os.ReadFile(path)
			require.NotContains(t, string(text), "gcloud config get", path)
			return err
		}))
	}
}

// A command that a person copies does what it says: a shell evaluates nothing in the names and
// addresses of the configuration.
func TestFixesAreOneCommand(t *testing.T) {
	t.Parallel()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("needs bash")
	}
	const hostile = "a$(echo pwned)`echo pwned`;echo pwned\"$HOME\\"
	w := newWorld(t, deployed)
	w.Place.URL, w.Place.Project = "https://gate.example.com/"+hostile, hostile
	e := &examination{w.Options}
	b := beat{job: "headgate-sweep", path: "/services/" + hostile + "/sweep"}
	unset := e.unresolved(t.Context(), "env:"+strings.ReplaceAll(hostile, " ", ""), "$.hooks", nil).Fix
	for _, c := range []struct{ fix, has string }{
		{e.curl("POST", b.path), w.Place.URL + b.path}, {e.schedule(t.Context(), b, true), "--uri=" + w.Place.URL + b.path}, {e.schedule(t.Context(), b, false), "--project=" + hostile}, {unset, "--project=" + hostile},
	} {
		cmd := exec.CommandContext(t.Context(), bash, "-c", standIns+c.fix)
		cmd.Env = []string{"REGION=europe-west3"}
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, c.fix)
		words := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
		require.Contains(t, words, c.has, c.fix)
		require.NotContains(t, words, "pwned", c.fix)
	}
	w.Config.Services = append(w.Config.Services, config.Service{ServiceName: "a$HOME"})
	require.NotContains(t, strings.ReplaceAll(e.curl("GET", e.servicePath(w.Config.Services[1])), `\$HOME`, ""), "$HOME")
}
