package functions

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/platform/budget"
)

// A request that changed something is never answered with 503 because there is no memory
// for its answer. It is refused before the change, or it gets its answer.
func TestChangesAreRefusedBeforeTheyAreMade(t *testing.T) {
	t.Parallel()
	cfg, err := config.Parse([]byte(oneService("")))
	require.NoError(t, err)
	memory := budget.Memory{Requests: budget.New(32 << 20), Answers: budget.New(1 << 20)}
	g := newGatewayIn(t, memory, cfg, false)
	g.define(`{"id":"in","orgId":"o","type":"pull","datasource":{"type":"csv","fileUrl":"x.csv","selectedDatatypes":["x"]},
		"mapping":{"x":{"key":["a"],"fields":{"a":{"from":"a","type":"number"}}}}}`)
	require.True(t, memory.Answers.Try(memory.Answers.Total())) // slow readers have it

	rows := make([]string, 1000)
	for i := range rows {
		rows[i] = fmt.Sprintf(`{"a":%d}`, i)
	}
	bad := make([]string, 1000) // their answers are longer
	for i := range bad {
		bad[i] = fmt.Sprintf(`{"a":"well %0100d"}`, i)
	}
	big := strings.Repeat("x", 200_000)
	post := func() map[string]answer {
		return map[string]answer{
			"batch":  g.do("POST", "/events/entry1", "["+strings.Join(rows, ",")+"]"),
			"data":   g.do("POST", "/sync/in/data", "["+strings.Join(bad, ",")+"]"),
			"record": g.do("PUT", "/orgs/o/notes/1", `{"text":"`+big+`"}`),
			"patch":  g.do("PATCH", "/orgs/o/notes/1", `{"more":true}`),
		}
	}
	for name, a := range post() {
		require.Contains(t, []int{200, 201}, a.status, "%s: %s", name, a.raw)
		require.Greater(t, len(a.raw), 64<<10, "%s: it has to be large for this", name)
	}
	stored := func() (n int) {
		for _, e := range g.do("GET", "/status", "").json["endpoints"].([]any) {
			n += int(e.(map[string]any)["have"].(float64))
		}
		return n
	}
	require.Equal(t, 1000, stored())

	// Memory for the body, but not for the answer.
	left := int64(512 << 10)
	require.True(t, memory.Requests.Try(memory.Requests.Total()-left))
	require.Equal(t, 503, g.do("POST", "/events/entry1", "["+strings.Join(rows, ",")+"]").status)
	require.Equal(t, 503, g.do("PATCH", "/orgs/o/notes/1", `{"more":false}`).status)
	memory.Requests.Give(memory.Requests.Total() - left)
	require.Equal(t, 1000, stored(), "refused records are not stored")
	memory.Answers.Give(memory.Answers.Total())
	require.Equal(t, float64(2), g.do("GET", "/orgs/o/notes/1", "").json["version"], "nor changed")
	require.Zero(t, memory.Requests.Used())
}
