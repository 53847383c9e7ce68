package cli

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
)

// A terminal obeys nothing that stands in a configuration, which may be another person's.
func TestHostileConfigurationsAreShown(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(hostileText)
	require.NoError(t, err)
	in, err := json.Marshal("'''" + hostileText + "''' == event.body.a")
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "gate.json")
	require.NoError(t, os.WriteFile(file, []byte(strings.NewReplacer("§", string(text), "¶", string(in)).Replace(`{"services": [
		{"serviceName": §, "trigger": {"type": "window", "observationPeriod": 60, "window": "anchored"}, "correlation": {"key": "event.body.k"},
			"targetPubSub": {"topic": "projects/acme-data/topics/loads"}, "endpoints": [{"eventKey": §, "filter": ¶}]},
		{"serviceName": "b", "trigger": {"type": "window", "observationPeriod": 60}, "targets": [{"name": "t", "http": {"url": "https://example.com", "oidc": true}}], "endpoints": [{"eventKey": "b"}]}]}`)), 0o600))
	status, stdout, stderr := headgate(t, nil, "config", "check", file)
	require.Zero(t, status, stderr)
	require.Contains(t, stdout, "owned")
	requireHarmless(t, stdout+stderr)
	_, stdout, stderr = headgate(t, nil, "cost", "--config", file)
	require.Contains(t, stdout, "owned", stderr)
	requireHarmless(t, stdout+stderr)
	_, _, stderr = headgate(t, nil, "deploy", "gcloud", "--config", file)
	requireHarmless(t, stderr)

	data, err := os.ReadFile(file)
	require.NoError(t, err)
	cfg, err := config.Parse(data)
	require.NoError(t, err)
	var out strings.Builder
	printBanner(&out, banner{base: "http://127.0.0.1:1", cfg: cfg})
	require.Contains(t, out.String(), "owned")
	requireHarmless(t, out.String())
}

// The commands that a banner has for copying are one command each, whatever an endpoint is
// called.
func TestBannersCommandsAreOneCommand(t *testing.T) {
	t.Parallel()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("needs bash")
	}
	cfg, err := config.Parse([]byte(`{"serviceName": "s", "trigger": {"type": "window", "observationPeriod": 60}, "targetPubSub": {"topic": "projects/p-1/topics/sync"},
		"endpoints": [{"eventKey": "a;echo pwned&echo pwned&$HOME'$(echo pwned)"}]}`))
	require.NoError(t, err)
	var out strings.Builder
	printBanner(&out, banner{base: "http://127.0.0.1:1", cfg: cfg})
	_, commands, found := strings.Cut(out.String(), "Try it:\n")
	require.True(t, found)
	said, err := exec.CommandContext(t.Context(), bash, "-c", "curl() { printf '%s\\n' \"$@\"; }\n"+commands).CombinedOutput()
	require.NoError(t, err, string(said))
	require.Equal(t, []string{"-d", "hello", "http://127.0.0.1:1/event/" + escapeKey(cfg.Services[0].Endpoints[0].EventKey), "http://127.0.0.1:1/messages"},
		strings.Split(strings.TrimSpace(string(said)), "\n"))
}
