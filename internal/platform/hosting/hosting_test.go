package hosting

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The zero value allows least: a process that does not know where it runs must not count
// on CPU between requests, or take a request over loopback for its user's.
func TestPlatform(t *testing.T) {
	t.Parallel()
	var unknown Platform
	require.Equal(t, CloudRun, unknown)
	for p, c := range map[Platform]struct{ backgroundCPU, cloud bool }{
		CloudRun: {false, true},
		Machine:  {true, false},
	} {
		require.Equal(t, c.backgroundCPU, p.BackgroundCPU())
		require.Equal(t, c.cloud, p.Cloud())
	}
}
