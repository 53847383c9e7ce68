package flow

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/live"
)

// Own names exactly the entities that the Flow resolves, and not as records.
func TestOwn(t *testing.T) {
	t.Parallel()
	f := New(Options{Resolver: func(live.Key) live.Resolver { return nil }})
	for _, org := range []string{live.DefaultOrg, "acme", OwnOrg} {
		for _, typ := range []string{ListType, SessionType, DraftType, "items", "services"} {
			k := live.Key{Org: org, Type: typ, ID: "1"}
			_, record := f.Resolver(k).(recordResolver)
			require.Equal(t, !record, Own(k), "%v", k)
		}
	}
}
