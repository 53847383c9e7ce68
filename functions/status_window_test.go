package functions

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The status of a service whose windows close has the oldest window with its deadline.
func TestStatusShowsTheWindowThatCloses(t *testing.T) {
	t.Parallel()
	g := newGateway(t, windowed(`,"window":"anchored","onClose":"partial"`, "", ""))
	require.NotContains(t, g.do("GET", "/status", "").json, "window", "no event, no window")
	g.event("entry1", "x")
	w := g.do("GET", "/status", "").json["window"]
	require.Equal(t, "open", field(w, "state"))
	require.Equal(t, "2026-05-01T12:00:00Z", field(w, "opened"))
	require.Equal(t, "2026-05-01T13:00:00Z", field(w, "closes"))
	require.EqualValues(t, 1, field(w, "endpoints", 0, "have"))
	require.EqualValues(t, 1, field(w, "endpoints", 1, "need"))
	require.Equal(t, []any{map[string]any{"eventKey": "entry2", "have": 0.0, "need": 1.0}}, field(w, "missing"))

	g = newGateway(t, windowed(`,"window":"session"`, "", byOrder))
	g.event("entry1", `{"order":1}`)
	require.NotContains(t, g.do("GET", "/status", "").json, "window", "of all keys there is no one window")
	require.Equal(t, "1", field(g.do("GET", "/status?key=1", "").json["window"], "correlationKey"))

	for _, sliding := range []string{oneService(""), windowed("", "", byOrder)} {
		g = newGateway(t, sliding)
		g.event("entry1", `{"order":1}`)
		require.NotContains(t, g.do("GET", "/status", "").json, "window", "each event leaves by itself")
	}
}

// A key that is given twice is no key: one of the two would be ignored.
func TestKeyIsGivenOnce(t *testing.T) {
	t.Parallel()
	g := newGateway(t, windowed("", "", byOrder))
	g.event("entry1", `{"order":1}`)
	for _, route := range []string{"GET /status", "POST /check", "POST /trigger", "GET /trigger", "GET /event/trigger", "POST /reset", "GET /pending", "GET /windows", "GET /messages"} {
		method, path, _ := strings.Cut(route, " ")
		a := g.do(method, path+"?key=1&key=2", "")
		require.Equal(t, 400, a.status, route)
		require.Contains(t, a.str("detail"), `query parameter "key" is given 2 times`, route)
	}
	require.Len(t, field(g.do("GET", "/pending?key=1", "").json["endpoints"], 0, "events"), 1, "nothing was done")
}
