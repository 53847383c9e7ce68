package launch

import (
	"io"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

// settingsOf returns the settings of a process with these variables and flags.
func settingsOf(t *testing.T, env map[string]string, args ...string) Settings {
	t.Helper()
	s := FromEnv(func(name string) string { return env[name] })
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	fs.SetOutput(io.Discard)
	s.Flags(fs, nil)
	require.NoError(t, fs.Parse(args))
	return s
}

// With PORT, the process listens on every address.
func TestAddress(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		env  map[string]string
		args []string
		want string
	}{
		"a laptop":            {nil, nil, "127.0.0.1:8080"},
		"PORT":                {map[string]string{"PORT": "9000"}, nil, ":9000"},
		"--addr wins":         {map[string]string{"PORT": "9000"}, []string{"--addr", "127.0.0.1:1"}, "127.0.0.1:1"},
		"Cloud Run":           {map[string]string{"PORT": "9000", "K_SERVICE": "gate"}, nil, ":9000"},
		"Cloud Run, no PORT":  {map[string]string{"K_SERVICE": "gate"}, nil, ":8080"},
		"a function, locally": {map[string]string{"PORT": "9000", "FUNCTION_TARGET": "headgate"}, nil, ":9000"},
	} {
		require.Equal(t, c.want, settingsOf(t, c.env, c.args...).Addr, name)
	}
}
