package functions

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A name that no entity can have is the caller's fault, and says what is wrong.
func TestNamesThatCannotBe(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(`,"hooks":[{"name":"h","verify":{"type":"none"},"entity":"body.entity","id":"body.id","signal":true}],
		"live":{"resolvers":[{"entity":"items","url":"https://app.example.com/{id}"}]}`))
	long := strings.Repeat("x", 1001)
	for id, detail := range map[string]string{`"*"`: `"*"`, `"` + long + `"`: "1000"} {
		body := `{"entity":"items","id":` + id + `}`
		requireProblem(t, g.do("POST", "/notify", body), 400, detail, "item 0")
		requireProblem(t, g.do("POST", "/hooks/h", body), 400, detail)
	}
	requireProblem(t, g.do("POST", "/notify", `[{"entity":"items","id":"1"}] x`), 400)
	for _, body := range []string{`{"entity":"items"}`, `{"entity":"items","id":null}`} {
		requireProblem(t, g.do("POST", "/notify", body), 400, "item 0: id is required")
	}
	for _, id := range []string{"1", ""} { // "" is an id like others
		require.Equal(t, 200, g.do("POST", "/hooks/h", `{"entity":"items","id":"`+id+`"}`).status)
		require.Equal(t, 200, g.do("POST", "/notify", `{"entity":"items","id":"`+id+`"}`).status)
	}

	// A session's list must have an id that webhooks can have, and the session one that clients can subscribe to.
	session := func(tenant, list string) answer {
		return g.do("POST", "/register-session-url", `{"tenantId":"`+tenant+`","documentId":"d","externalTaskListId":"`+list+`"}`)
	}
	requireProblem(t, session(long, "l"), 400, "1000")
	requireProblem(t, session("t", strings.Repeat("l", 257)), 400, "externalTaskListId", "256")
	require.Equal(t, 200, session("t", strings.Repeat("l", 256)).status)
}
