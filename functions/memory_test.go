package functions

import (
	"encoding/base64"
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

// An event that expressions read takes the memory for its body as values, and gives it back.
// Without that memory it is refused before it is stored. Events that no expression reads
// need none.
func TestExpressionsTakeMemoryForTheBody(t *testing.T) {
	t.Parallel()
	body := `{"ok":true,"list":[` + strings.Repeat("1,", 20_000) + `1]}` // 40 kB are 3 MB of values
	push := `{"message":{"data":"` + base64.StdEncoding.EncodeToString([]byte(body)) + `","messageId":"1"},"subscription":"s"}`
	feed := `,"feeds":[{"name":"f","routes":[{"when":"event.body.ok","eventKey":"entry1"}]}]`
	for name, c := range map[string]struct {
		cfg, path, body string
		want            int
	}{
		"no expression":            {oneService(""), "/event/entry1", body, 200},
		"filter":                   {windowed("", `,"filter":"event.body.ok"`, ""), "/event/entry1", body, 503},
		"endpoint without filter":  {windowed("", `,"filter":"event.body.ok"`, ""), "/event/entry2", body, 200},
		"correlation":              {oneService(`,"correlation":{"key":"event.body.ok"}`), "/event/entry2", body, 503},
		"batch":                    {windowed("", `,"filter":"event.body.ok"`, ""), "/events/entry1", "[" + body + "]", 503},
		"push":                     {windowed("", `,"unwrap":"pubsub","filter":"event.body.ok"`, ""), "/event/entry1", push, 503},
		"feed":                     {oneService(feed), "/feed/f", body, 503},
		"push to a feed":           {windowed("", `,"unwrap":"pubsub"`, feed), "/feed/f", push, 503},
		"batch to a feed":          {oneService(feed), "/feeds/f", "[" + body + "]", 503},
		"batch without expression": {windowed("", `,"filter":"event.body.ok"`, ""), "/events/entry2", "[" + body + "]", 200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg, err := config.Parse([]byte(c.cfg))
			require.NoError(t, err)
			memory := budget.Memory{Requests: budget.New(32 << 20), Answers: budget.New(1 << 20)}
			g := newGatewayIn(t, memory, cfg, false)
			others := memory.Requests.Total() - 1<<20 // other requests have all but this
			require.True(t, memory.Requests.Try(others))
			a := g.do("POST", c.path, c.body)
			require.Equal(t, c.want, a.status, "%s", a.raw)
			require.Equal(t, others, memory.Requests.Used())
			stored := 0
			for _, e := range g.do("GET", "/pending", "").json["endpoints"].([]any) {
				stored += len(field(e, "events").([]any))
			}
			require.Equal(t, c.want == 200, stored == 1)
			memory.Requests.Give(others)
			if c.want == 503 {
				require.Equal(t, 200, g.do("POST", c.path, c.body).status, "with memory")
				require.Zero(t, memory.Requests.Used())
			}
		})
	}
}

// A batch whose items an expression may refuse takes the memory for that many errors before
// any item is stored.
func TestABatchTakesMemoryForRefusals(t *testing.T) {
	t.Parallel()
	cfg, err := config.Parse([]byte(windowed("", `,"filter":"event.body.secret"`, "")))
	require.NoError(t, err)
	memory := budget.Memory{Requests: budget.New(32 << 20), Answers: budget.New(1 << 20)}
	g := newGatewayIn(t, memory, cfg, false)
	batch := "[" + strings.Repeat(`{"secret":1},`, 999) + `{"secret":true}]`
	left := int64(2 << 20) // enough for 1,000 receipts
	require.True(t, memory.Requests.Try(memory.Requests.Total()-left))
	require.Equal(t, 503, g.do("POST", "/events/entry1", batch).status)
	require.Empty(t, field(g.do("GET", "/pending", "").json["endpoints"], 0, "events"))
	require.Equal(t, 200, g.do("POST", "/events/entry2", batch).status, "no expression can refuse these")
	memory.Requests.Give(memory.Requests.Total() - left)
	a := g.do("POST", "/events/entry1", batch)
	require.Equal(t, 200, a.status)
	require.Equal(t, 400.0, field(a.json["results"], 998, "status"))
	require.Equal(t, 200.0, field(a.json["results"], 999, "status"))
	require.Zero(t, memory.Requests.Used())
}
