package functions

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A trigger or a reset that names no service would hit the first of several.
func TestManualActsNameTheService(t *testing.T) {
	t.Parallel()
	first := oneService("")
	second := strings.Replace(first, "My First Event Sync", "second", 1)
	g := newGateway(t, `{"services":[`+first+`,`+second+`]}`)
	g.event("entry1", "of the first")
	require.Equal(t, 200, g.do("POST", "/services/second/event/entry1", "of the second").status)
	for _, route := range []string{"POST /trigger", "GET /trigger", "POST /reset", "GET /reset", "POST /event/trigger", "GET /event/trigger"} {
		method, path, _ := strings.Cut(route, " ")
		a := g.do(method, path, "")
		require.Equal(t, 400, a.status, route)
		require.Contains(t, a.str("detail"), `the services are ["My First Event Sync" "second"]`, route)
	}
	require.Empty(t, g.bus.all())
	require.Equal(t, 1, g.do("POST", "/services/second/trigger", "").num("numberOfEvents"))
	require.Equal(t, 1, g.do("GET", "/services/My%20First%20Event%20Sync/event/trigger", "").num("numberOfEvents"))
	g.event("entry1", "x")
	require.Equal(t, 1, g.do("POST", "/services/My%20First%20Event%20Sync/reset", "").num("reset"))
	require.Equal(t, 200, g.do("GET", "/status", "").status, "looking needs no name")
}

// An event for another service, whose path names none, is told where that service takes it.
func TestAnEndpointOfAnotherServiceIsNamed(t *testing.T) {
	t.Parallel()
	first := oneService("")
	second := strings.NewReplacer("My First Event Sync", "Second One", "entry1", "order/x").Replace(first)
	g := newGateway(t, `{"services":[`+first+`,`+second+`]}`)
	a := g.do("POST", "/event/order%2Fx", "x")
	require.Equal(t, 404, a.status)
	path := "/services/Second%20One/event/order%2Fx"
	require.Contains(t, a.str("detail"), "Another service has it: "+path)
	require.Equal(t, 200, g.do("POST", path, "x").status)
	for _, other := range []string{"/event/none", "/services/My%20First%20Event%20Sync/event/order%2Fx"} {
		a := g.do("POST", other, "x")
		require.Equal(t, 404, a.status)
		require.NotContains(t, a.str("detail"), "Another service", other)
	}
}

// EventSync's form has one service, and its paths name none.
func TestManualActsOfTheOnlyService(t *testing.T) {
	t.Parallel()
	for _, cfg := range []string{oneService(""), `{"services":[` + oneService("") + `]}`} {
		g := newGateway(t, cfg)
		for _, path := range []string{"/trigger", "/event/trigger"} {
			g.event("entry1", "x")
			require.Equal(t, 1, g.do("GET", path, "").num("numberOfEvents"), path)
		}
		g.event("entry1", "x")
		require.Equal(t, 1, g.do("GET", "/reset", "").num("reset"))
	}
}

// An endpoint that is called trigger takes events at EventSync's path of the trigger.
func TestAnEndpointCalledTriggerTakesEvents(t *testing.T) {
	t.Parallel()
	first := strings.Replace(oneService(""), "entry1", "trigger", 1)
	g := newGateway(t, `{"services":[`+first+`,`+strings.Replace(first, "My First Event Sync", "second", 1)+`]}`)
	require.NotEmpty(t, g.do("POST", "/event/trigger", "x").str("id"))
	require.Equal(t, 400, g.do("POST", "/trigger", "").status)
}
