package flow

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/live"
)

// An entity of ours has a new version when a change was announced, and when a comparison finds
// another content. It keeps its version while nothing changes, however often it is compared.
func TestOwnVersionsChangeWithTheContent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var o ownVersions
		k := live.Key{Org: OwnOrg, Type: GateType, ID: "s"}
		a, b := [32]byte{1}, [32]byte{2}
		seen := map[string]bool{}
		fresh := func(v string) string {
			t.Helper()
			require.False(t, seen[v], "a version comes twice")
			seen[v] = true
			return v
		}
		first := fresh(o.compared(k, a, time.Now()))
		time.Sleep(time.Hour)
		require.Equal(t, first, o.compared(k, a, time.Now()), "nothing changed")
		second := fresh(o.compared(k, b, time.Now()))
		fresh(o.changed(k, time.Now()))
		fresh(o.changed(k, time.Now())) // the clock did not move
		third := fresh(o.compared(k, b, time.Now()))
		require.NotEqual(t, second, third, "what changed after the signal may have had none")
		require.Equal(t, third, o.compared(k, b, time.Now()))

		other := k
		other.ID = "other"
		require.NotEmpty(t, o.compared(other, a, time.Now()))
		require.Equal(t, third, o.compared(k, b, time.Now()), "another entity")
	})
}

// Clients choose the ids that are remembered.
func TestOwnVersionsAreBounded(t *testing.T) {
	t.Parallel()
	var o ownVersions
	for i := range 2 * maxOwnVersions {
		o.changed(live.Key{Org: OwnOrg, Type: GateType, ID: fmt.Sprint(i)}, time.Now())
	}
	require.Len(t, o.of, maxOwnVersions)
}
