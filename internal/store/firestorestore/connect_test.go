package firestorestore

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/emulator"
)

func TestCloseLeavesNoConnection(t *testing.T) { // not parallel: see LeavesNothing
	emulator.LeavesNothing(t, emulatorVar, func() {
		s, err := Open(t.Context(), Options{Project: "test"})
		require.NoError(t, err)
		require.Error(t, s.Writable(t.Context()))
		require.NoError(t, s.Close())
	})
}
