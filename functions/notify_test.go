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
