package functions

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A message that is too large for a format without a claim check waits, with its events, and
// says why. It holds up no other message.
func TestTooLargeMessageOfAStrictFormatWaits(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(`,"maxMessageBytes":2000,"messageFormat":"eventsync-2"`))
	g.event("entry1", strings.Repeat("x", 3000))
	large := g.event("entry2", "small").str("triggered")
	require.NotEmpty(t, large)
	require.Empty(t, g.bus.all())

	g.event("entry1", "a")
	small := g.event("entry2", "b")
	require.Equal(t, true, small.json["published"])
	require.Len(t, g.bus.all(), 1)
	require.NotContains(t, string(g.bus.all()[0].Data), `"id":`)

	waits := g.do("GET", "/messages?state=claimed", "")
	require.Equal(t, large, field(waits.json["messages"], 0, "eventID"))
	require.Contains(t, string(waits.raw), "messageFormat eventsync-2 has no claim check")
	require.Contains(t, g.logs.String(), "messageFormat eventsync-2 has no claim check")
	whole := g.do("GET", "/messages/"+large, "")
	require.Contains(t, string(whole.raw), strings.Repeat("x", 3000))
	require.NotContains(t, string(whole.raw), `"id":`, "it is served in the service's format")
	replay := g.do("POST", "/messages/"+large+"/replay", "")
	require.Equal(t, 409, replay.status, "%s", replay.raw)
	require.Contains(t, replay.str("detail"), "set messageFormat to headgate")

	g.advance(10 * 24 * time.Hour) // longer than the retention
	require.Equal(t, 1, g.do("POST", "/sweep", "").num("failed"))
	require.Contains(t, string(g.do("GET", "/messages/"+large, "").raw), strings.Repeat("x", 3000), "its events are kept")
}

// EventSync's formats cannot say that a body is base64.
func TestStrictFormatTakesTextOnly(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(`,"messageFormat":"eventsync-1"`))
	a := g.do("POST", "/event/entry1", "\xff\x00")
	require.Equal(t, 400, a.status)
	require.Contains(t, a.str("detail"), "not UTF-8")
	g.event("entry1", "é")
	g.event("entry2", "")
	require.Len(t, g.bus.all(), 1)
	require.Contains(t, string(g.bus.all()[0].Data), `"content":"é"`)

	g = newGateway(t, oneService(""))
	g.event("entry1", "\xff\x00")
}
