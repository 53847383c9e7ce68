package doctor

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
)

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
		out, err := exec.CommandContext(t.Context(), bash, "-c", "curl() { printf '%s\\n' \"$@\"; }\ngcloud() { printf '%s\\n' \"$@\"; }\n"+c.fix).CombinedOutput()
		require.NoError(t, err, c.fix)
		words := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
		require.Contains(t, words, c.has, c.fix)
		require.NotContains(t, words, "pwned", c.fix)
	}
	w.Config.Services = append(w.Config.Services, config.Service{ServiceName: "a$HOME"})
	require.NotContains(t, strings.ReplaceAll(e.curl("GET", e.servicePath(w.Config.Services[1])), `\$HOME`, ""), "$HOME")
}
