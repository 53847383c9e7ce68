package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
)

// config check warns of environment variables that hold credentials and are not set. It
// shows no value of one that is.
func TestConfigCheckWarnsOfUnsetSecrets(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "gate.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"live": {"token": {"secret": "env:TOKEN_SECRET", "audience": "x"}}, "echo": {"secrets": ["env:ECHO_SECRET"]}}`), 0o600))
	var out bytes.Buffer
	p := &Process{Stdout: &out, Getenv: func(name string) string { return map[string]string{"ECHO_SECRET": "hunter2"}[name] }}
	cmd := newConfigCheck(p)
	require.NoError(t, cmd.RunE(cmd, []string{file}))
	require.Contains(t, out.String(), "warning: the environment variable TOKEN_SECRET, which $.live.token.secret refers to, is not set here\n")
	require.NotContains(t, out.String(), "ECHO_SECRET")
	require.NotContains(t, out.String(), "hunter2")
}

// config check warns of URLs of live that would be refused.
func TestConfigCheckWarnsOfLive(t *testing.T) {
	t.Parallel()
	for cfg, want := range map[string]string{
		`{"resolvers": [{"entity": "a", "url": "https://10.0.0.1/{id}"}], "passThrough": {"url": "http://app.internal/frames"}}`: "warning: live.resolvers[0].url cannot be called: 10.0.0.1 is an internal address, which is not allowed here, unless live.allowHosts in the configuration lists it\n" +
			"warning: live.passThrough.url cannot be called: calls to app.internal must use https, unless live.allowHTTP in the configuration is true\n",
		`{"resolvers": [{"entity": "a", "url": "https://10.0.0.1/{id}"}], "passThrough": {"url": "http://app.internal/frames"}, "allowHosts": ["10.0.0.0/8"], "allowHTTP": true}`: "",
		`{"resolvers": [{"entity": "a", "url": "http://localhost:3000/{id}"}]}`:                                                                                                   "",
	} {
		parsed, err := config.Parse([]byte(`{"live": ` + cfg + `}`))
		require.NoError(t, err)
		var out bytes.Buffer
		require.NoError(t, warnOfLive(&out, parsed))
		require.Equal(t, want, out.String(), cfg)
	}
}
