package pubsubbus

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/emulator"
)

func TestCloseLeavesNoConnection(t *testing.T) { // not parallel: see LeavesNothing
	emulator.LeavesNothing(t, "PUBSUB_EMULATOR_HOST", func() {
		b, err := Open(t.Context(), Options{Project: "test"})
		require.NoError(t, err)
		require.Error(t, b.Ping(t.Context(), "projects/test/topics/t"))
		require.NoError(t, b.Close())
	})
}
