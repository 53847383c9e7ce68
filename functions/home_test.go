package functions

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHomeLeadsToTheConsole(t *testing.T) {
	t.Parallel()
	a := newGatewayOn(t, oneService(""), true).do("GET", "/", "")
	require.Equal(t, 307, a.status)
	require.Equal(t, "console", a.header.Get("Location"))
}

func TestHomeListsTheFunctionsWhereNoConsoleIsServed(t *testing.T) {
	t.Parallel()
	a := newGateway(t, oneService(""), Ingest, Check).do("GET", "/", "")
	require.Equal(t, 200, a.status)
	require.JSONEq(t, `{"functions":["ingest","check"],"openapi":"openapi.json"}`, string(a.raw))
	requireProblem(t, newGateway(t, oneService("")).do("GET", "/nothing", ""), 404, "no such path")
}
