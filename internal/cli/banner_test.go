package cli

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Banners without "auth" are for a person who has no token.
func TestBannerWithoutAuth(t *testing.T) {
	t.Parallel()
	base, banner := serving(t, nil, "--data", t.TempDir())
	require.Contains(t, banner, "No configuration given: serving the example (see --config).")
	require.Contains(t, banner, "\nTry it:\n  curl -d 'hello' "+base+"/event/entry1\n")
	client := http.Client{Timeout: 30 * time.Second}
	resp, err := client.Get(base + "/console")
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, 200, resp.StatusCode)
}
