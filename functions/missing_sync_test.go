package functions

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A sync that messages start may be created and deleted at any time. What is said about it
// is true at that moment.
func TestASyncThatDoesNotExistIsSaid(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(`,"onMessage":{"sync":"readings"}`))
	g.file("readings.csv", threeReadings)
	warnings := func() (list []string) {
		var status struct{ Warnings []string }
		require.NoError(t, json.Unmarshal(g.do("GET", "/status", "").raw, &status))
		return status.Warnings
	}
	require.Equal(t, []string{`onMessage.sync names the sync "readings", which does not exist: messages start nothing until it is created`}, warnings())
	g.event("entry1", "x")
	g.event("entry2", "x")
	m := g.bus.all()[0]
	a := g.do("POST", "/sync/message", push(m.Attributes, string(m.Data)))
	require.Equal(t, 204, a.status, "%s", a.raw)
	require.Contains(t, g.logs.String(), "message "+m.Attributes["eventID"]+" of service")
	require.Contains(t, g.logs.String(), "was not delivered to the sync")

	g.define(readingsSync(""))
	require.Empty(t, warnings())
	require.Equal(t, 204, g.do("POST", "/sync/message", push(m.Attributes, string(m.Data))).status, "somebody replays it")

	require.Equal(t, 204, g.do("DELETE", "/sync/readings", "").status)
	require.Len(t, warnings(), 1)
}

func TestMissingSyncsAreLoggedAtStart(t *testing.T) {
	t.Parallel()
	g := newGatewayOn(t, oneService(`,"onMessage":{"sync":"one"},
		"hooks":[{"name":"h","verify":{"type":"none"},"sync":"two"},{"name":"k","verify":{"type":"none"},"sync":"readings"}],
		"drafts":[{"name":"d","sync":{"id":"three","datatype":"readings"}}]`), true)
	g.file("readings.csv", threeReadings)
	g.define(readingsSync(""))
	g.app.Start()
	for _, line := range []string{
		`msg="onMessage names a sync that does not exist: messages start nothing until it is created" serviceName="My First Event Sync" syncId=one`,
		`msg="a hook names a sync that does not exist: its webhooks are refused until it is created" hook=h syncId=two`,
		`msg="a draft names a sync that does not exist: it has no rows until the sync is created" draft=d syncId=three`,
	} {
		require.Eventually(t, func() bool { return strings.Count(g.logs.String(), line) == 1 }, time.Minute, 10*time.Millisecond, line)
	}
	require.NotContains(t, g.logs.String(), "syncId=readings")
}

func TestNothingIsSaidWhereNoSyncIsNamed(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(""))
	require.NotContains(t, g.do("GET", "/status", "").json, "warnings")
}
