package live_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/live"
)

// A server of your own and Headgate behave alike without settings. The configuration's
// defaults are tags, which cannot name a constant, so only this test keeps the two equal.
func TestDefaultsAreThoseOfTheConfiguration(t *testing.T) {
	t.Parallel()
	o, c := live.Options{}.WithDefaults(), new(config.Config).LiveSettings()
	require.Equal(t, c.Path, o.Path)
	require.Equal(t, c.MaxSubscriptions, o.MaxSubscriptions)
	require.Equal(t, c.MaxFrameBytes, o.MaxFrameBytes)
	require.Equal(t, c.FramesPerSecond, o.FramesPerSecond)
	require.Equal(t, time.Duration(c.CompareSeconds)*time.Second, o.CompareEvery)
}
