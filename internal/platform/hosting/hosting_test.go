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
	for p, own := range map[Platform]bool{CloudRun: false, Machine: true} {
		require.Equal(t, own, p.BackgroundCPU())
		require.Equal(t, own, p.OwnMachine())
		require.Equal(t, !own, p.Proxied())
		require.Equal(t, !own, p.EndsRequests())
		require.Equal(t, !own, p.GoogleCloud())
		require.Equal(t, !own, p.StructuredLogs())
	}
}
