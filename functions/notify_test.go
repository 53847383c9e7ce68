package functions

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/app"
	"github.com/headgate/headgate/internal/platform/outbound"
)

// An application that notifies of what no client can get is told so.
func TestNotifyOfWhatCannotBeFetched(t *testing.T) {
	t.Parallel()
	cfg, err := config.Parse([]byte(oneService(`,"live":{"resolvers":[{"entity":"private","url":"https://10.0.0.1/{id}"},{"entity":"plain","url":"http://8.8.8.8/{id}"}]}`)))
	require.NoError(t, err)
	g := newGatewayWith(t, cfg, false, func(_ *gateway, o *app.Options) {
		c, err := outbound.New(outbound.Options{AllowSetting: "live.allowHosts", HTTPSetting: "live.allowHTTP"})
		require.NoError(t, err)
		o.LiveHTTP = c.HTTP()
	})
	a := g.do("POST", "/notify", `{"entity":"private","id":"1"}`)
	requireProblem(t, a, 400, `nothing was sent: the resolver cannot be called`, "live.allowHosts")
	a = g.do("POST", "/notify", `[{"entity":"plain","id":"1"},{"entity":"private","id":"1"}]`)
	requireProblem(t, a, 400, "nothing was sent", "live.allowHTTP")
	require.Contains(t, string(a.raw), "$[1]")
	require.Equal(t, 201, g.do("PUT", "/orgs/default/items/1", `{"n":1}`).status)
	a = g.do("POST", "/notify", `[{"entity":"plain","id":"1"},{"entity":"items","id":"2"}]`)
	require.Equal(t, 200, a.status)
	require.Equal(t, 1, a.num("notified"))
	require.Equal(t, []any{map[string]any{
		"entity": "plain", "id": "1", "reason": "the resolver cannot be called: calls to 8.8.8.8 must use https, unless live.allowHTTP in the configuration is true",
	}}, a.json["notSent"])
	a = g.do("POST", "/notify", `{"entity":"items","id":"2"}`)
	require.Equal(t, 200, a.status)
	require.NotContains(t, a.json, "notSent")
}

// An application that notifies of entities which nothing has is told so: a misspelt name
// would otherwise be accepted for ever.
func TestNotifyOfWhatNothingHas(t *testing.T) {
	t.Parallel()
	cfg := oneService(`,"live":{"resolvers":[{"entity":"report","url":"https://app.example.com/{id}"},{"entity":"acme/items","url":"https://app.example.com/{id}"}]}`)
	g := newGateway(t, cfg)
	const none = "live.resolvers does not name the entity, and there is no record of this type"
	a := g.do("POST", "/notify", `[{"entity":"itmes","id":"1"},{"entity":"other/items","id":"1"}]`)
	requireProblem(t, a, 400, "nothing was sent: "+none)
	require.Contains(t, string(a.raw), "$[1]")
	for _, ours := range []string{"task-lists", "task-list-sessions", "drafts", "headgate/services", "report", "other/report", "acme/items"} {
		require.Equal(t, 200, g.do("POST", "/notify", `{"entity":"`+ours+`","id":"1"}`).status, ours)
	}
	require.Equal(t, 201, g.do("PUT", "/orgs/default/items/1", `{"n":1}`).status)
	a = g.do("POST", "/notify", `[{"entity":"items","id":"7"},{"entity":"itmes","id":"1"},{"entity":"items","id":""}]`)
	require.Equal(t, 200, a.status, a.raw)
	require.Equal(t, 1, a.num("notified"))
	require.Equal(t, []any{
		map[string]any{"entity": "itmes", "id": "1", "reason": none},
		map[string]any{"entity": "items", "id": "", "reason": `live.resolvers does not name the entity, and no record has the id ""`},
	}, a.json["notSent"])
	require.Equal(t, 204, g.do("DELETE", "/orgs/default/items/1", "").status)
	require.Equal(t, 200, g.do("POST", "/notify", `{"entity":"items","id":"1"}`).status, "clients hear that it is gone")
}
