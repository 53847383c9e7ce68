package functions

import (
	"encoding/base64"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func push(attributes map[string]string, data string) string {
	body, _ := json.Marshal(map[string]any{"subscription": "projects/p/subscriptions/s", "message": map[string]any{
		"messageId": "1", "attributes": attributes, "data": base64.StdEncoding.EncodeToString([]byte(data)),
	}})
	return string(body)
}

func TestAMessageRunsTheSyncOnce(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(`,"onMessage":{"sync":"readings"}`))
	g.file("readings.csv", threeReadings)
	g.define(readingsSync(""))
	g.event("entry1", "x")
	g.event("entry2", "x")
	m := g.bus.all()[0]
	for range 3 { // at least once
		a := g.do("POST", "/sync/message", push(m.Attributes, string(m.Data)))
		require.Equal(t, 204, a.status, "%s", a.raw)
	}
	runs := g.do("GET", "/sync/readings/runs", "").list("runs")
	require.Len(t, runs, 1)
	require.Equal(t, "finished", runs[0]["state"], "the run ended before the push was answered")
	require.Equal(t, m.Attributes["eventID"], runs[0]["eventId"])

	// A run that is handed to another invocation, and a run that has ended.
	id, _ := runs[0]["id"].(string)
	require.Equal(t, 204, g.do("POST", "/sync/work", push(nil, `{"syncId":"readings","runId":"`+id+`"}`)).status)
}

// Pub/Sub sends a push again until it is acknowledged. What can never succeed is
// acknowledged with one line of the log, and only the rest gets 503.
func TestPushesThatCanNeverSucceed(t *testing.T) {
	t.Parallel()
	g := newGateway(t, `{"services":[`+oneService(`,"onMessage":{"sync":"readings"}`)+`,`+
		strings.Replace(oneService(`,"onMessage":{"sync":"none"}`), "My First Event Sync", "no sync", 1)+`,`+
		strings.Replace(oneService(""), "My First Event Sync", "starts nothing", 1)+`]}`)
	g.file("readings.csv", threeReadings)
	g.define(readingsSync(`,"isOneTime":true`))
	g.runSync("readings", "")
	message := func(service, id string) string {
		return push(map[string]string{"serviceName": service, "eventID": id}, "{}")
	}
	for name, c := range map[string]struct{ path, body, says string }{
		"no onMessage":       {"/sync/message", message("starts nothing", "1"), "onMessage"},
		"an unknown service": {"/sync/message", message("gone", "1"), `no service \"gone\"`},
		"no such sync":       {"/sync/message", message("no sync", "1"), "does not exist"},
		"no eventID":         {"/sync/message", message("My First Event Sync", ""), "eventID"},
		"a one-time sync":    {"/sync/message", message("My First Event Sync", "1"), "one-time"},
		"no push":            {"/sync/message", `{}`, "not a Pub/Sub push"},
		"no JSON":            {"/sync/message", `nonsense`, "not a Pub/Sub push"},
		"work, no run":       {"/sync/work", push(nil, "{}"), "not a Pub/Sub push"},
		"work, no push":      {"/sync/work", `[]`, "not a Pub/Sub push"},
		"work, no JSON":      {"/sync/work", push(nil, "nonsense"), "not a Pub/Sub push"},
	} {
		before := strings.Count(g.logs.String(), "a push was acknowledged")
		r := httptest.NewRequest("POST", c.path, strings.NewReader(c.body))
		w := httptest.NewRecorder()
		g.h.ServeHTTP(w, r)
		require.Equal(t, 204, w.Code, "%s: %s", name, w.Body)
		lines := strings.Split(strings.TrimSpace(g.logs.String()), "\n")
		require.Equal(t, before+1, strings.Count(g.logs.String(), "a push was acknowledged"), name)
		require.Contains(t, lines[len(lines)-1], c.says, name)
	}
	require.Equal(t, 204, g.do("POST", "/sync/work", push(nil, `{"syncId":"gone","runId":"r"}`)).status, "the sync was deleted")

	g.store.set(true)
	a := g.do("POST", "/sync/message", message("My First Event Sync", "2"))
	require.Equal(t, 503, a.status, "%s", a.raw)
	require.NotEmpty(t, a.header.Get("Retry-After"))
	require.Equal(t, 503, g.do("POST", "/sync/work", push(nil, `{"syncId":"readings","runId":"r"}`)).status)
}
