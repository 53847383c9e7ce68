package functions

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// No scheduler calls, and no event arrives: people and programs that only look are enough to
// close windows, also those of another service.
func TestLookingIsEnoughToPublish(t *testing.T) {
	t.Parallel()
	other := strings.NewReplacer("My First Event Sync", "other", `"observationPeriod":3600`, `"observationPeriod":7200`)
	one := windowed(`,"window":"anchored","onClose":"partial"`, "", byOrder)
	g := newGateway(t, `{"services":[`+one+`,`+other.Replace(one)+`]}`)
	g.event("entry1", `{"order":1}`)
	require.Equal(t, 200, g.do("POST", "/services/other/event/entry1", `{"order":2}`).status)

	g.advance(time.Hour)
	require.Equal(t, 200, g.do("GET", "/messages", "").status)
	require.Len(t, g.bus.all(), 1)
	require.Equal(t, "partial", g.bus.all()[0].Attributes["completion"])

	g.advance(time.Hour)
	for range 3 { // a request helps its own service, and one other in turn
		require.Equal(t, 200, g.do("GET", "/status", "").status)
		g.advance(6 * time.Second)
	}
	require.Len(t, g.bus.all(), 2)
	require.Equal(t, "other", g.bus.all()[1].Attributes["serviceName"])
}
