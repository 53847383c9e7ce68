package functions

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/unused"
)

// The route goes by what is stored and registered, and the doctor finds the same.
func TestUnused(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(`,"deadLetter":{"topic":"projects/test-project/topics/dead"},"sync":{"directory":"data","allowHosts":["unnamed.example"]},
		"echo":{"allowTargets":["in.example","unused.example"]}`))
	read := func() (paths []string) {
		a := g.do("GET", "/config/unused", "")
		require.Equal(t, 200, a.status, "%s", a.raw)
		var out struct{ Unused []unused.Setting }
		require.NoError(t, json.Unmarshal(a.raw, &out))
		_, found := g.findings()
		require.Len(t, found["setting.unused"], len(out.Unused))
		for i, one := range out.Unused {
			require.Equal(t, "nothing uses "+one.Path+": "+one.Why, found["setting.unused"][i]["text"])
			paths = append(paths, one.Path)
		}
		return paths
	}
	require.Equal(t, []string{"$.deadLetter", "$.sync.directory", "$.sync.allowHosts[0]", "$.echo.allowTargets[0]", "$.echo.allowTargets[1]"}, read())
	g.file("readings.csv", threeReadings)
	g.define(readingsSync(""))
	require.Equal(t, 200, g.do("POST", "/register-for-webhook", `{"url":"https://in.example/x"}`).status)
	require.Equal(t, []string{"$.deadLetter", "$.sync.allowHosts[0]", "$.echo.allowTargets[1]"}, read())

	g.store.set(true)
	require.Equal(t, 503, g.do("GET", "/config/unused", "").status)
	_, found := g.findings()
	require.Empty(t, found["setting.unused"])
	require.Equal(t, "notChecked", found["setting.used"][0]["state"])
}

// Without settings that are not used, the list is empty and not null.
func TestNothingUnused(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(""))
	require.JSONEq(t, `{"unused":[]}`, string(g.do("GET", "/config/unused", "").raw))
	_, found := g.findings()
	require.Equal(t, "ok", found["setting.used"][0]["state"])
}
