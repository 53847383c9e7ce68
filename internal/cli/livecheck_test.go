package cli

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
)

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
