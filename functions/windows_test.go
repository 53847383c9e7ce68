package functions

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWindowsArePagedOldestFirst(t *testing.T) {
	t.Parallel()
	g := newGateway(t, windowed(`,"window":"anchored"`, `,"minNbOfOccurrence":3`, byOrder))
	for n := range 5 {
		g.event("entry1", fmt.Sprintf(`{"order":%d}`, n))
		g.advance(time.Second)
	}
	g.event("entry2", `{"order":0}`)
	first := g.do("GET", "/windows?limit=2", "")
	require.Equal(t, map[string]any{
		"correlationKey": "0", "state": "open", "opened": "2026-05-01T12:00:00Z", "closes": "2026-05-01T13:00:00Z",
		"endpoints": []any{
			map[string]any{"eventKey": "entry1", "have": 1.0, "need": 3.0},
			map[string]any{"eventKey": "entry2", "have": 1.0, "need": 1.0},
		},
		"missing": []any{map[string]any{"eventKey": "entry1", "have": 1.0, "need": 3.0}},
	}, field(first.json["windows"], 0))

	var keys []string
	after := ""
	for range 10 {
		a := g.do("GET", "/windows?limit=2"+after, "")
		require.Equal(t, 200, a.status, "%s", a.raw)
		for _, w := range a.json["windows"].([]any) {
			keys = append(keys, field(w, "correlationKey").(string))
		}
		if a.json["next"] == nil {
			break
		}
		after = "&after=" + a.str("next")
	}
	require.Equal(t, []string{"0", "1", "2", "3", "4"}, keys)

	of := func(query string) (keys []string) {
		a := g.do("GET", "/windows"+query, "")
		require.Equal(t, 200, a.status, "%s", a.raw)
		for _, w := range a.json["windows"].([]any) {
			keys = append(keys, field(w, "correlationKey").(string)+" "+field(w, "state").(string))
		}
		return keys
	}
	require.Equal(t, []string{"3 open"}, of("?key=3"))
	require.Empty(t, of("?key=9"))
	require.Empty(t, of("?state=closing"))
	g.advance(time.Hour - 6*time.Second)
	require.Empty(t, of("?state=closing")) // requests help with what is due, and not again within 5 seconds
	g.advance(3 * time.Second)
	require.Equal(t, []string{"0 closing", "1 closing", "2 closing"}, of("?state=closing"))
	require.Equal(t, []string{"3 open", "4 open"}, of("?state=open"))
	require.Equal(t, []string{"0 closing"}, of("?key=0"))
	require.Empty(t, of("?key=0&state=open"))
	g.do("POST", "/check", "")
	require.Equal(t, []string{"3 open", "4 open"}, of(""))

	for query, says := range map[string]string{
		"?state=dropped": "state must be open or closing", "?limit=0": "limit must be an integer", "?after=x": `after must be the "next" of an earlier answer`,
		"?order=1": `unknown query parameter "order"`, "?key=1&key=2": `query parameter "key" is given 2 times`,
	} {
		a := g.do("GET", "/windows"+query, "")
		require.Equal(t, 400, a.status, query)
		require.Contains(t, a.str("detail"), says, query)
	}
}

// A window of a service without correlation has no key, and a sliding one never closes.
func TestWindowsWithoutKeys(t *testing.T) {
	t.Parallel()
	g := newGateway(t, windowed(`,"condition":"entry1 && entry2"`, "", ""))
	require.Equal(t, map[string]any{"windows": []any{}, "next": nil}, g.do("GET", "/windows", "").json)
	g.event("entry1", "x")
	one := field(g.do("GET", "/windows", "").json["windows"], 0)
	require.NotContains(t, one, "correlationKey")
	require.Nil(t, field(one, "closes"))

	a := newGateway(t, oneService("")).do("GET", "/windows", "")
	require.Equal(t, 400, a.status)
	require.Contains(t, a.str("detail"), `this service has one window, which "headgate status" and /status show`)
}

// A window that closed incomplete is dropped, and is listed.
func TestDroppedWindowsAreListed(t *testing.T) {
	t.Parallel()
	g := newGateway(t, windowed(`,"window":"anchored"`, "", byOrder))
	g.event("entry1", `{"order":1}`)
	g.event("entry1", `{"order":2}`)
	published := g.event("entry2", `{"order":2}`).str("triggered")
	g.advance(time.Hour)
	a := g.event("entry2", `{"order":1}`)
	require.Nil(t, a.json["triggered"], "it belongs to the next window")

	dropped := g.do("GET", "/messages?state=dropped", "").json["messages"]
	require.Len(t, dropped, 1)
	for name, want := range map[string]any{
		"state": "dropped", "completion": "dropped", "correlationKey": "1", "numberOfEvents": 1.0, "publishedAt": nil,
		"opened": "2026-05-01T12:00:00Z", "closes": "2026-05-01T13:00:00Z",
		"missing": []any{map[string]any{"eventKey": "entry2", "have": 0.0, "need": 1.0}},
	} {
		require.Equal(t, want, field(dropped, 0, name), name)
	}
	require.Equal(t, published, field(g.do("GET", "/messages?state=published", "").json["messages"], 0, "eventID"))
	require.Len(t, g.do("GET", "/messages", "").json["messages"], 2)
	require.Empty(t, g.do("GET", "/messages?state=claimed", "").json["messages"])
	require.Empty(t, g.do("GET", "/messages?state=dropped&key=2", "").json["messages"])
	require.Len(t, g.do("GET", "/messages?state=dropped&key=1", "").json["messages"], 1)
	a = g.do("GET", "/messages?state=expired", "")
	require.Equal(t, 400, a.status)
	require.Contains(t, a.str("detail"), "state must be claimed, published, dropped or failed")
	require.Len(t, g.bus.all(), 1, "nothing is sent for it")
	require.Equal(t, 1, strings.Count(g.logs.String(), "a window closed before it was complete"), g.logs.String())
	require.Zero(t, field(g.do("GET", "/status", "").json["outbox"], "backlog"), "it does not wait for the bus")
}

// A dead letter goes to its own topic, also when it is replayed.
func TestDeadLettersGoToTheirTopic(t *testing.T) {
	t.Parallel()
	g := newGateway(t, windowed(`,"window":"anchored","onClose":"deadLetter"`, "", byOrder+`,"deadLetter":{"topic":"`+deadTopic+`"}`))
	g.event("entry1", `{"order":1}`)
	g.event("entry1", `{"order":2}`)
	require.NotEmpty(t, g.event("entry2", `{"order":2}`).str("triggered"))
	g.advance(time.Hour)
	g.bus.set(errors.New("away"))
	g.do("POST", "/sweep", "")
	waiting := field(g.do("GET", "/messages?state=claimed", "").json["messages"], 0)
	require.Equal(t, "deadLetter", field(waiting, "completion"))
	g.bus.set(nil)
	g.advance(time.Hour)
	require.Equal(t, 200, g.do("POST", "/sweep", "").status)
	id := field(waiting, "eventID").(string)
	require.Equal(t, 200, g.do("POST", "/messages/"+id+"/replay", "").status)
	require.Equal(t, []string{testTopic, deadTopic, deadTopic}, g.bus.topics)
	sent := g.bus.all()
	require.Equal(t, id, sent[1].Attributes["eventID"])
	require.Equal(t, "deadLetter", sent[1].Attributes["completion"])
	require.Equal(t, "dev.headgate.sync.deadLetter.v1", sent[1].Attributes["ce-type"])
	var body map[string]any
	require.NoError(t, json.Unmarshal(sent[1].Data, &body))
	require.Equal(t, "deadLetter", body["completion"])
	require.Equal(t, "entry2", field(body, "missing", 0, "eventKey"))
	require.Equal(t, string(sent[1].Data), string(sent[2].Data))
}
