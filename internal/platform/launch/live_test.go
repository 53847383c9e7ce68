package launch

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/platform/hosting"
)

// Live's calls obey the lists of its own: on Cloud Run, loopback is internal like others.
func TestLiveHTTP(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer srv.Close()
	get := func(platform hosting.Platform, live, sync string) error {
		cfg, err := config.Parse([]byte(`{"live": ` + live + `, "sync": ` + sync + `}`))
		require.NoError(t, err)
		client, err := LiveHTTP(platform, cfg)
		require.NoError(t, err)
		resp, err := client.Get(srv.URL)
		if err == nil {
			_ = resp.Body.Close()
		}
		return err
	}
	require.ErrorContains(t, get(hosting.CloudRun, `{}`, `{"allowHosts": ["127.0.0.1"]}`), "unless live.allowHosts in the configuration lists it")
	require.NoError(t, get(hosting.CloudRun, `{"allowHosts": ["127.0.0.0/8"]}`, `{}`))
	require.NoError(t, get(hosting.Machine, `{}`, `{}`))
}
