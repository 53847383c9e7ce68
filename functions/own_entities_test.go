package functions

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/flow"
	"github.com/headgate/headgate/live"
)

// Where versions are compared, our own entities have a new version only if what their viewers
// read changed: time alone changes nothing, and a change whose signal was lost is found.
func TestOwnEntitiesAreNewOnlyIfTheirContentIs(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(`,"echo":{"allowTargets":["127.0.0.1"]}`))
	version := func(typ, id string) string {
		t.Helper()
		k := live.Key{Org: flow.OwnOrg, Type: typ, ID: id}
		s, err := g.app.Flow().Resolver(k).Resolve(t.Context(), k, "")
		require.NoError(t, err)
		require.False(t, s.Gone)
		return s.Version
	}
	define := func(id string) {
		t.Helper()
		a := g.do("POST", "/sync", `{"id":"`+id+`","orgId":"default","type":"pull","datasource":{"type":"csv","fileUrl":"x.csv","selectedDatatypes":["a"],"options":{}},
			"mapping":{"a":{"key":["id"],"fields":{"n":{"from":"n","type":"number"}}}}}`)
		require.Equal(t, 201, a.status, "%s", a.raw)
	}
	for _, c := range []struct {
		typ, id string
		change  func()
	}{
		{flow.GateType, "My First Event Sync", func() { g.event("entry1", "a") }},
		{flow.GateType, "My First Event Sync", func() { g.event("entry2", "b") }},
		{flow.SyncType, flow.AllOf, func() { define("one") }},
		{flow.SyncType, "one", func() { g.do("POST", "/sync/one/run", "") }},
		{flow.HookType, flow.AllOf, func() { g.do("POST", "/register-for-webhook", `{"url":"http://127.0.0.1:1/x"}`) }},
		{flow.ClientType, flow.AllOf, nil},
		{flow.GateType, "nothing of the name", nil},
		{"anything", "x", nil},
	} {
		before := version(c.typ, c.id)
		g.advance(time.Minute)
		require.Equal(t, before, version(c.typ, c.id), "%s %s: nothing changed", c.typ, c.id)
		if c.change != nil {
			c.change()
			require.NotEqual(t, before, version(c.typ, c.id), "%s %s changed", c.typ, c.id)
		}
	}
}
