package functions

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A hook that signals an entity which no client can get says so in its answer, and at most
// once a minute in the log. A constant one is told at the start.
func TestHookThatSignalsWhatNothingHas(t *testing.T) {
	t.Parallel()
	g := newGatewayOn(t, oneService(`,"hooks":[
		{"name":"named","verify":{"type":"none"},"entity":"'repos'","id":"body.id","signal":true},
		{"name":"sent","verify":{"type":"none"},"entity":"body.type","id":"body.id","signal":true,"event":{"eventKey":"entry1"}}]`), true)
	g.app.Start()
	require.Eventually(t, func() bool { return strings.Contains(g.logs.String(), "its signals have no effect") }, 10*time.Second, 10*time.Millisecond)
	require.Contains(t, g.logs.String(), "hook=named")
	require.NotContains(t, g.logs.String(), "hook=sent")

	const none = "live.resolvers does not name the entity, and there is no record of this type"
	for range 3 {
		a := g.do("POST", "/hooks/sent", `{"type":"items","id":"1"}`)
		require.Equal(t, 200, a.status)
		require.Equal(t, none, a.str("notSent"))
		require.NotEmpty(t, a.str("eventId"), "the rest was done")
	}
	require.Equal(t, 1, strings.Count(g.logs.String(), "a hook signalled an entity that no client can get"))
	require.Equal(t, 201, g.do("PUT", "/orgs/default/items/1", `{"n":1}`).status)
	require.NotContains(t, g.do("POST", "/hooks/sent", `{"type":"items","id":"1"}`).json, "notSent")
	require.NotContains(t, g.do("POST", "/hooks/sent", `{"type":"drafts","id":"1"}`).json, "notSent")
}
