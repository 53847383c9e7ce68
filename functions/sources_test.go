package functions

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// unwrapping is a service whose endpoint entry1 unwraps pushes.
func unwrapping(more string) string {
	return strings.Replace(oneService(""), `{"eventKey":"entry1"}`, `{"eventKey":"entry1","unwrap":"pubsub"`+more+`}`, 1)
}

// eventarc has the headers of Eventarc's Pub/Sub trigger.
var eventarc = []string{
	"Content-Type", "application/json", "Ce-Id", "1981947010177954", "Ce-Source", "//pubsub.googleapis.com/projects/p/topics/t",
	"Ce-Specversion", "1.0", "Ce-Type", "google.cloud.pubsub.topic.v1.messagePublished", "Ce-Time", "2021-02-05T04:06:14.109Z",
}

const pushedWhole = `{"subscription":"projects/p/subscriptions/s","message":{"messageId":"7","message_id":"7","data":"eyJuIjoxfQ==",
	"attributes":{"region":"eu"},"orderingKey":"k","publishTime":"2021-02-05T04:06:14.109Z","publish_time":"2021-02-05T04:06:14.109Z"},"deliveryAttempt":1}`

// Nothing of a push is lost when the endpoint unwraps it: not over HTTP, not in a
// CloudEvent, not in a batch.
func TestAnUnwrappedPushKeepsWhatItSays(t *testing.T) {
	t.Parallel()
	const structured = `{"specversion":"1.0","id":"1","source":"s","type":"t","data":` + pushedWhole + `}`
	for name, c := range map[string]struct {
		path, body string
		headers    []string
		cloudEvent bool
	}{
		"push":                 {"/event/", pushedWhole, nil, false},
		"Eventarc, binary":     {"/event/", pushedWhole, eventarc, true},
		"Eventarc, structured": {"/event/", structured, []string{"Content-Type", "application/cloudevents+json"}, true},
		"batch":                {"/events/", "[" + pushedWhole + "]", nil, false},
		"batch of CloudEvents": {"/events/", "[" + structured + "]", []string{"Content-Type", "application/cloudevents-batch+json"}, true},
	} {
		g := newGateway(t, unwrapping(`,"filter":"event.attributes.region == 'eu' && event.body.n == 1"`))
		for i, duplicate := range []bool{false, true} {
			body := strings.ReplaceAll(c.body, `"deliveryAttempt":1`, `"deliveryAttempt":`+fmt.Sprint(i+1))
			a := g.do("POST", c.path+"entry1", body, c.headers...)
			require.Equal(t, 200, a.status, "%s: %s", name, a.raw)
			result := any(a.json)
			if c.path == "/events/" {
				result = field(a.json["results"], 0)
			}
			require.Equal(t, duplicate, field(result, "duplicate"), name)
		}
		e := g.message(g.do("POST", "/trigger", "").str("triggered")).Events["entry1"].Events[0]
		require.Equal(t, `{"n":1}`, e.Content, name)
		require.Equal(t, map[string]any{
			"subscription": "projects/p/subscriptions/s", "messageId": "7", "orderingKey": "k", "publishTime": "2021-02-05T04:06:14.109Z",
			"attributes": map[string]any{"region": "eu"},
		}, e.PubSub, name)
		require.Equal(t, c.cloudEvent, e.CloudEvent != nil, name)
	}
	g := newGateway(t, unwrapping(""))
	g.event("entry1", pushOf("1", "", `{"region":"eu"}`))
	g.event("entry2", pushedWhole)
	m := g.message(field(g.do("GET", "/messages", "").json["messages"], 0, "eventID").(string))
	require.Equal(t, map[string]any{"region": "eu"}, m.Events["entry1"].Events[0].PubSub["attributes"], "a message of attributes only")
	require.Equal(t, pushedWhole, m.Events["entry2"].Events[0].Content, "an endpoint that does not unwrap keeps the envelope")
	require.Nil(t, m.Events["entry2"].Events[0].PubSub)
}

// Where a header cannot have an attribute, Eventarc delivers the event as a push. A
// delivery by the one way and another by the other way are one event.
func TestEventarcsFallbackIsTheSameEvent(t *testing.T) {
	t.Parallel()
	for _, cfg := range []string{oneService(""), unwrapping("")} {
		g := newGateway(t, cfg)
		attributes := map[string]string{"content-type": "application/json"}
		for i := 2; i < len(eventarc); i += 2 {
			attributes[strings.ToLower(eventarc[i])] = eventarc[i+1]
		}
		all, err := json.Marshal(attributes)
		require.NoError(t, err)
		a := g.event("entry1", pushOf("9", `{"name":"x "}`, string(all)))
		b := g.event("entry1", `{"name":"x "}`, eventarc...)
		require.Equal(t, true, b.json["duplicate"])
		require.Equal(t, a.str("id"), b.str("id"))
		e := g.message(g.do("POST", "/trigger", "").str("triggered")).Events["entry1"].Events
		require.Len(t, e, 1)
		require.Equal(t, `{"name":"x "}`, e[0].Content)
		require.Equal(t, "1981947010177954", e[0].CloudEvent["id"])
		require.Equal(t, "application/json", e[0].CloudEvent["datacontenttype"])
		require.Equal(t, "9", e[0].PubSub["messageId"])
	}
}

// Scheduler and Tasks send a request again with the same headers.
func TestRetriesOfSchedulerAndTasksCountOnce(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(""))
	for _, c := range [][]string{
		{"X-CloudScheduler-JobName", "nightly", "X-CloudScheduler-ScheduleTime", "2026-05-01T02:00:00Z"},
		{"X-CloudTasks-QueueName", "q", "X-CloudTasks-TaskName", "7"},
	} {
		require.Equal(t, false, g.event("entry1", "x", c...).json["duplicate"])
		require.Equal(t, true, g.event("entry1", "x", append(c, "X-CloudTasks-TaskRetryCount", "1")...).json["duplicate"])
	}
}

// A request that claims to be a CloudEvent and is none is refused, or kept as a plain event
// where the configuration says so. It is never another event's duplicate.
func TestMalformedCloudEvents(t *testing.T) {
	t.Parallel()
	ce := func(pairs ...string) []string {
		return append([]string{"Ce-Specversion", "1.0", "Ce-Source", "s", "Ce-Type", "t"}, pairs...)
	}
	structured := []string{"Content-Type", "application/cloudevents+json"}
	refusing, keeping := newGateway(t, oneService("")), newGateway(t, oneService(`,"malformed":"keep"`))
	n := 0
	for _, c := range []struct {
		body    string
		headers []string
		says    string
	}{
		{"x", ce("Ce-Id", "caf%E9"), `attribute "id" is not UTF-8`},
		{"y", ce("Ce-Id", "caf%E8"), `attribute "id" is not UTF-8`},
		{"x", ce("Ce-Id", "%C0%A0"), `attribute "id" is not UTF-8`},
		{"x", ce("Ce-Id", "caf\xe9"), `attribute "id" is not UTF-8`},
		{"x", []string{"Ce-Id", "1", "Ce-Source", "s", "Ce-Type", "t"}, `"specversion" must be`},
		{"x", ce(), `"id" must be`},
		{"x", ce("Ce-Id", "1", "Ce-Time", "lunchtime"), `"time" must be`},
		{`{"specversion":"1.0","id":"1","source":"s","type":"t","MyExt":"x"}`, structured, `"MyExt" has a name`},
		{`{"specversion":"1.0","id":"1","source":"s","type":"t","data":1,"data_base64":"TWE="}`, structured, `both data and data_base64`},
		{`[{"specversion":"1.0","id":"1","source":"s","type":"t"}]`, []string{"Content-Type", "application/cloudevents-batch+json"}, "goes to /events/entry1"},
		{"x", []string{"Content-Type", "application/cloudevents+avro"}, "format application/cloudevents+avro is not known"},
	} {
		requireProblem(t, refusing.do("POST", "/event/entry1", c.body, c.headers...), 400, c.says)
		for range 2 {
			n++
			require.Equal(t, false, keeping.event("entry1", c.body, c.headers...).json["duplicate"], "what has no name is an event of its own")
		}
	}
	require.Equal(t, 0, refusing.do("POST", "/reset", "").num("reset"))
	events := keeping.message(keeping.do("POST", "/trigger", "").str("triggered")).Events["entry1"].Events
	require.Len(t, events, n)
	kept := map[string]string{}
	for _, e := range events {
		require.Nil(t, e.CloudEvent)
		kept[strings.Join(e.Headers["Ce-Id"], "")] = e.Content
	}
	require.Equal(t, "x", kept["caf%E9"])
	require.Equal(t, "y", kept["caf%E8"])

	good, bad := `{"specversion":"1.0","id":"2","source":"s","type":"t"}`, `{"specversion":"0.9","id":"1","source":"s","type":"t"}`
	for g, want := range map[*gateway]float64{refusing: 400, keeping: 200} {
		a := g.do("POST", "/events/entry1", "["+good+","+bad+`,"text"]`, "Content-Type", "application/cloudevents-batch+json")
		require.Equal(t, 200, a.status, "%s", a.raw)
		for i, status := range []float64{200, want, want} {
			require.Equal(t, status, field(a.json["results"], i, "status"), "%s", a.raw)
		}
	}
}

// Quoted and encoded ids are the ids that they stand for.
func TestIDsAreDecoded(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(""))
	for i, id := range []string{`"caf%C3%A9"`, "caf%c3%a9", "caf\u00e9"} {
		a := g.event("entry1", "x", "Ce-Specversion", "1.0", "Ce-Source", "s", "Ce-Type", "t", "Ce-Id", id)
		require.Equal(t, i > 0, a.json["duplicate"], id)
	}
}
