package functions

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// feeds are those of the tests: files of a bucket, by name.
func feeds(otherwise string) string {
	return `,"deadLetter":{"topic":"` + deadTopic + `"},"feeds":[{"name":"files","routes":[
		{"when":"event.body.name.startsWith('a/')","eventKey":"entry1"},
		{"when":"event.body.name.contains('/')","eventKey":"entry2"}]` + otherwise + `}]`
}

func pushOf(id, data, attributes string) string {
	return fmt.Sprintf(`{"message":{"messageId":%q,"data":%q,"attributes":%s},"subscription":"projects/p/subscriptions/s"}`,
		id, base64.StdEncoding.EncodeToString([]byte(data)), attributes)
}

// The first route that takes an event gives it to its endpoint.
func TestAFeedLeadsEventsToEndpoints(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(feeds("")))
	for body, key := range map[string]string{`{"name":"a/1"}`: "entry1", `{"name":"b/1"}`: "entry2"} {
		a := g.do("POST", "/services/My%20First%20Event%20Sync/feed/files", body)
		require.Equal(t, 200, a.status, "%s", a.raw)
		require.Equal(t, key, a.json["eventKey"])
		require.NotEmpty(t, a.str("id"))
	}
	messages := g.do("GET", "/messages", "").json["messages"]
	require.Len(t, messages, 1, "the window was checked")
	m := g.message(field(messages, 0, "eventID").(string))
	require.Equal(t, `{"name":"a/1"}`, m.Events["entry1"].Events[0].Content)
	require.Equal(t, `{"name":"b/1"}`, m.Events["entry2"].Events[0].Content)

	for name, c := range map[string]struct{ method, path, body, says string }{
		"no such feed":   {"POST", "/feed/other", `{}`, `no feed "other": the feeds are ["files"]`},
		"no such batch":  {"POST", "/feeds/other", `[]`, `no feed "other": the feeds are ["files"]`},
		"no route":       {"POST", "/feed/files", `{"name":"c"}`, `no route of feed "files" takes the event: none of them is true`},
		"a route fails":  {"POST", "/feed/files", `{"n":"secret"}`, `no route of feed "files" takes the event: the expression fails: there is no "name"`},
		"not JSON":       {"POST", "/feed/files", `secret`, `no route of feed "files" takes the event: the expression fails`},
		"method":         {"GET", "/feed/files", ``, ``},
		"over the limit": {"POST", "/feed/files", strings.Repeat("x", 1<<20+1), `maxEventBytes`},
	} {
		a := g.do(c.method, c.path, c.body)
		require.Contains(t, []int{400, 404, 405, 413}, a.status, "%s: %s", name, a.raw)
		require.Contains(t, a.str("detail"), c.says, name)
		require.NotContains(t, string(a.raw), "secret", name)
	}
	a := g.do("POST", "/feed/files", `[]`, "Content-Type", "application/cloudevents-batch+json")
	require.Equal(t, 400, a.status)
	require.Contains(t, a.str("detail"), "/feeds/files")
	a = newGateway(t, oneService("")).do("POST", "/feed/files", `{}`)
	require.Equal(t, 404, a.status)
	require.Equal(t, `no feed "files": this service has no feeds`, a.str("detail"))
}

func TestWhatNoRouteOfAFeedTakes(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(feeds(`,"otherwise":"drop"`)))
	a := g.do("POST", "/feed/files", `{"name":"c"}`)
	require.Equal(t, 200, a.status, "%s", a.raw)
	require.Equal(t, "noRoute", a.json["dropped"])
	require.Equal(t, "/feed/files", a.json["eventKey"])
	require.Empty(t, a.str("id"))
	require.Equal(t, 1.0, field(g.do("GET", "/status", "").json["feeds"], 0, "counts", "dropped"))

	g = newGateway(t, oneService(feeds(`,"otherwise":"entry2"`)))
	require.Equal(t, "entry2", g.do("POST", "/feed/files", `{"name":"c"}`).json["eventKey"])

	g = newGateway(t, oneService(feeds(`,"otherwise":"deadLetter"`)))
	a = g.do("POST", "/feed/files", `{"name":"c"}`, "Idempotency-Key", "k")
	require.Equal(t, 200, a.status, "%s", a.raw)
	require.Equal(t, "noRoute", a.json["deadLetter"])
	require.NotEmpty(t, a.str("id"))
	again := g.do("POST", "/feed/files", `{"name":"c"}`, "Idempotency-Key", "k")
	require.Equal(t, true, again.json["duplicate"])
	require.NotContains(t, again.json, "deadLetter")
	require.Equal(t, []string{deadTopic}, g.bus.topics)
	sent := g.bus.all()[0]
	require.Equal(t, "noRoute", sent.Attributes["reason"])
	require.Equal(t, "deadLetter", sent.Attributes["completion"])
	var body syncMessage
	require.NoError(t, json.Unmarshal(sent.Data, &body))
	require.Equal(t, a.str("id"), body.Events["/feed/files"].Events[0].ID)
	require.Equal(t, 1, body.Events["/feed/files"].NumberOfEvents)
}

// Each item of a batch goes its own way, and a bad one does not lose its neighbours.
func TestABatchToAFeed(t *testing.T) {
	t.Parallel()
	g := newGateway(t, strings.Replace(oneService(feeds("")), `{"eventKey":"entry1"}`, `{"eventKey":"entry1","filter":"event.body.size > 0"}`, 1))
	a := g.do("POST", "/feeds/files", `[{"name":"a/1","size":1},{"name":"a/2","size":0},{"name":"a/3"},{"name":"c"}]`)
	require.Equal(t, 200, a.status, "%s", a.raw)
	for i, want := range []float64{200, 200, 400, 400} {
		require.Equal(t, want, field(a.json["results"], i, "status"), "%s", a.raw)
	}
	require.Equal(t, true, field(a.json["results"], 1, "filtered"))
	require.Contains(t, field(a.json["results"], 2, "error"), `item 2: the expression in "filter"`)
	require.Contains(t, field(a.json["results"], 3, "error"), `item 3: no route of feed "files"`)
	ce := `{"specversion":"1.0","id":"%d","source":"//storage/b","type":"t","name":"b/1"}`
	a = g.do("POST", "/feeds/files", "["+fmt.Sprintf(ce, 1)+","+fmt.Sprintf(ce, 1)+"]", "Content-Type", "application/cloudevents-batch+json")
	require.Equal(t, 200, a.status, "%s", a.raw)
	require.Equal(t, "entry2", field(a.json["results"], 0, "eventKey"))
	require.Equal(t, true, field(a.json["results"], 1, "duplicate"))
	require.NotEmpty(t, a.json["triggered"])
}

// A route sees the event as its endpoint keeps it: with or without the envelope of a push.
func TestAFeedOfPushes(t *testing.T) {
	t.Parallel()
	cfg := strings.Replace(oneService(`,"feeds":[{"name":"topic","routes":[
		{"when":"event.attributes.eventType == 'OBJECT_FINALIZE' && event.body.name == 'x'","eventKey":"entry1"},
		{"when":"has(event.body.message)","eventKey":"entry2"}],"otherwise":"drop"}]`), `{"eventKey":"entry1"}`, `{"eventKey":"entry1","unwrap":"pubsub"}`, 1)
	g := newGateway(t, cfg)
	first := pushOf("1", `{"name":"x"}`, `{"eventType":"OBJECT_FINALIZE"}`)
	other := pushOf("2", `{"name":"y"}`, `{"eventType":"OBJECT_FINALIZE"}`)
	require.Equal(t, "entry1", g.do("POST", "/feed/topic", first).json["eventKey"])
	require.Equal(t, true, g.do("POST", "/feed/topic", first).json["duplicate"], "a push that comes twice counts once")
	a := g.do("POST", "/feed/topic", other)
	require.Equal(t, "entry2", a.json["eventKey"], "%s", a.raw)
	m := g.message(a.str("triggered"))
	require.Equal(t, `{"name":"x"}`, m.Events["entry1"].Events[0].Content)
	require.Equal(t, other, m.Events["entry2"].Events[0].Content)
	require.Equal(t, "noRoute", g.do("POST", "/feed/topic", "{}").json["dropped"])
}

// Eventarc sends what happens in a bucket as a CloudEvent in its headers.
func TestAFeedOfEventarc(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(`,"feeds":[{"name":"bucket","routes":[
		{"when":"event.cloudEvent.type.endsWith('.finalized') && event.body.name.startsWith('in/')","eventKey":"entry1"}],"otherwise":"drop"}]`))
	send := func(id, kind, name string) answer {
		return g.do("POST", "/feed/bucket", `{"bucket":"b","name":"`+name+`","generation":"1587627537231057"}`, "Content-Type", "application/json",
			"Ce-Id", id, "Ce-Source", "//storage.googleapis.com/projects/_/buckets/b", "Ce-Specversion", "1.0", "Ce-Type", "google.cloud.storage.object.v1."+kind)
	}
	require.Equal(t, "entry1", send("1", "finalized", "in/x").json["eventKey"])
	require.Equal(t, true, send("1", "finalized", "in/x").json["duplicate"])
	require.Equal(t, "noRoute", send("2", "deleted", "in/x").json["dropped"])
	require.Equal(t, "noRoute", send("3", "finalized", "out/x").json["dropped"])
}

// The name that a source gives an event holds for the endpoint that the feed leads it to.
func TestARetryThroughAFeedCountsOnce(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(feeds("")))
	for name, headers := range map[string][]string{
		"task": {"X-CloudTasks-QueueName", "q", "X-CloudTasks-TaskName", "7"},
		"job":  {"X-CloudScheduler-JobName", "nightly", "X-CloudScheduler-ScheduleTime", "2026-05-01T02:00:00Z"},
		"key":  {"Idempotency-Key", "k"},
	} {
		first := g.do("POST", "/feed/files", `{"name":"a/1"}`, headers...)
		require.Equal(t, false, first.json["duplicate"], name)
		direct := g.event("entry1", `{"name":"a/1"}`, headers...)
		require.Equal(t, true, direct.json["duplicate"], name)
		require.Equal(t, first.str("id"), direct.str("id"), name)
	}
}
