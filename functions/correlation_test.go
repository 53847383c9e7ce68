package functions

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// byOrder makes a service wait for each order separately.
const byOrder = `,"correlation":{"key":"event.body.order"}`

// windowed returns a service with these fields of its trigger and its first endpoint.
func windowed(trigger, entry1, more string) string {
	return strings.NewReplacer(`"observationPeriod":3600`, `"observationPeriod":3600`+trigger, `{"eventKey":"entry1"}`, `{"eventKey":"entry1"`+entry1+`}`).
		Replace(oneService(more))
}

// field returns a member of nested objects and lists of an answer.
func field(v any, path ...any) any {
	for _, p := range path {
		switch p := p.(type) {
		case string:
			v = v.(map[string]any)[p]
		case int:
			v = v.([]any)[p]
		}
	}
	return v
}

// The receipt says why an event that is acknowledged is not stored.
func TestReceiptsOfEventsThatDoNotCount(t *testing.T) {
	t.Parallel()
	g := newGateway(t, windowed(`,"window":"anchored"`, `,"filter":"event.body.ok","distinct":"event.body.name"`,
		`,"correlation":{"key":"event.body.order","onMissing":"drop"}`))
	for name, c := range map[string]struct{ body, says string }{
		"filtered":       {`{"ok":false}`, "filtered"},
		"without a key":  {`{"ok":true,"name":"x"}`, "dropped"},
		"that is stored": {`{"ok":true,"name":"x","order":1}`, ""},
	} {
		a := g.event("entry1", c.body)
		require.Equal(t, c.says == "", a.str("id") != "", name)
		require.Equal(t, "entry1", a.json["eventKey"], name)
		require.NotEmpty(t, a.str("receivedAt"), name)
		require.Equal(t, false, a.json["duplicate"], name)
		for _, says := range []string{"filtered", "dropped", "superseded"} {
			_, has := a.json[says]
			require.Equal(t, says == c.says, has, "%s: %s", name, a.raw)
		}
	}
	require.Equal(t, "noKey", g.event("entry1", `{"ok":true,"name":"x"}`).json["dropped"])
	require.NotContains(t, g.event("entry1", `{"ok":true,"name":"x","order":1}`).json, "superseded", "the newest counts")
	a := g.do("GET", "/pending?key=1", "")
	require.Len(t, field(a.json["endpoints"], 0, "events"), 1)

	g = newGateway(t, windowed(`,"window":"anchored"`, `,"distinct":"event.body.name","keep":"first"`, ""))
	first := g.event("entry1", `{"name":"x"}`)
	require.NotContains(t, first.json, "superseded")
	second := g.event("entry1", `{"name":"x"}`)
	require.Equal(t, true, second.json["superseded"])
	require.NotEqual(t, first.str("id"), second.str("id"), "it is stored until it expires")
	m := g.message(g.event("entry2", "{}").str("triggered"))
	require.Equal(t, first.str("id"), m.Events["entry1"].Events[0].ID)
	require.Len(t, m.Events["entry1"].Events, 1)

	g = newGateway(t, strings.Replace(windowed(`,"window":"tumbling","every":"hour","eventTime":"event.body.at","late":"drop"`, ``, ""), `"observationPeriod":3600,`, "", 1))
	require.Equal(t, "late", g.event("entry1", `{"at":"2026-05-01T10:59:59Z"}`).json["dropped"])
	require.NotEmpty(t, g.event("entry1", `{"at":"2026-05-01T12:00:00Z"}`).str("id"))
}

// An event that an expression refuses is answered with the name of the expression, and
// never with a value of the event.
func TestAnExpressionThatRefusesAnEventIsNamed(t *testing.T) {
	t.Parallel()
	fields := map[string]string{
		"filter":            windowed("", `,"filter":"event.body.secret.x"`, ""),
		"id":                windowed("", `,"id":"event.body.secret.x"`, ""),
		"distinct":          windowed("", `,"distinct":"event.body.secret.x"`, ""),
		"correlation.key":   windowed("", "", `,"correlation":{"key":"event.body.secret.x"}`),
		"trigger.eventTime": strings.Replace(windowed(`,"window":"tumbling","every":"day","eventTime":"event.body.secret.x"`, "", ""), `"observationPeriod":3600,`, "", 1),
	}
	for name, cfg := range fields {
		g := newGateway(t, cfg)
		for _, body := range []string{`{"secret":"hunter2"}`, `{"secret":{"x":["hunter2"]}}`, "hunter2"} {
			a := g.do("POST", "/event/entry1", body)
			require.Equal(t, 400, a.status, "%s: %s", name, a.raw)
			require.Contains(t, a.str("detail"), `the expression in "`+name+`" refuses the event`, body)
			require.NotContains(t, string(a.raw), "hunter2")

			batch := g.do("POST", "/events/entry1", `[`+strings.ReplaceAll(body, "hunter2", "3")+`, {"secret":[]}]`)
			if body == "hunter2" {
				continue // the batch is no JSON: see TestBatch
			}
			require.Equal(t, 200, batch.status, "%s", batch.raw)
			require.Equal(t, 400.0, field(batch.json["results"], 0, "status"))
			require.Contains(t, field(batch.json["results"], 1, "error"), `item 1: the expression in "`+name+`" refuses the event`)
		}
		require.Empty(t, field(g.do("GET", "/pending", "").json["endpoints"], 0, "events"), name)
		require.NotContains(t, g.logs.String(), "hunter2")
	}
}

// A bad item does not lose its neighbours.
func TestReceiptsOfABatchWithKeys(t *testing.T) {
	t.Parallel()
	g := newGateway(t, windowed("", `,"filter":"event.body.ok","id":"event.body.id"`, byOrder))
	a := g.do("POST", "/events/entry1", `[{"ok":false},{"ok":true,"id":1},{"ok":true,"id":1,"order":1},{"ok":true,"id":1,"order":1},{"ok":1},null]`)
	require.Equal(t, 200, a.status, "%s", a.raw)
	results := a.json["results"]
	for i, status := range []float64{200, 400, 200, 200, 400, 400} {
		require.Equal(t, status, field(results, i, "status"), "%d: %s", i, a.raw)
	}
	require.Equal(t, true, field(results, 0, "filtered"))
	require.Contains(t, field(results, 1, "error"), `item 1: the expression in "correlation.key" refuses the event`)
	require.Equal(t, field(results, 2, "id"), field(results, 3, "id"))
	require.Equal(t, true, field(results, 3, "duplicate"))
	require.Contains(t, field(results, 4, "error"), `item 4: the expression in "filter"`)
	require.Equal(t, 1.0, field(g.do("GET", "/status?key=1", "").json["endpoints"], 0, "have"))
}

// HEAD changes nothing, with a key or without.
func TestHeadWithKeys(t *testing.T) {
	t.Parallel()
	g := newGateway(t, windowed("", "", `,"correlation":{"key":"event.query.order"}`))
	require.Equal(t, 200, g.do("GET", "/event/entry1?order=7", "").status)
	require.Equal(t, 405, g.do("HEAD", "/event/entry1?order=8", "").status)
	for range 2 {
		for _, path := range []string{"/windows", "/windows?key=7", "/pending?key=7", "/status?key=7", "/messages?key=7"} {
			require.Equal(t, 200, g.do("HEAD", path, "").status, path)
		}
		require.Len(t, g.do("GET", "/windows", "").json["windows"], 1)
	}
	require.Equal(t, 405, g.do("HEAD", "/trigger?key=7", "").status)
}

// Each operation takes a key where there is correlation, and refuses it elsewhere: it would
// otherwise act on more than the caller means.
func TestOperationsByKey(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(byOrder))
	for _, order := range []string{"1", "2", "3"} {
		g.event("entry1", `{"order":`+order+`}`)
		g.advance(time.Second)
	}
	s := g.do("GET", "/status?key=2", "")
	require.Equal(t, []any{1.0, 0.0}, []any{field(s.json["endpoints"], 0, "have"), field(s.json["endpoints"], 1, "have")})
	require.Equal(t, "entry2", field(s.json["missing"], 0, "eventKey"))
	s = g.do("GET", "/status", "")
	require.Equal(t, 3.0, field(s.json["endpoints"], 0, "have"), "what waits in all")
	require.Empty(t, s.json["missing"])
	require.Equal(t, false, s.json["complete"])

	c := g.do("POST", "/check?key=2", "")
	require.Equal(t, false, c.json["complete"])
	require.Equal(t, "entry2", field(c.json["missing"], 0, "eventKey"))
	require.Nil(t, c.json["triggered"])

	all := field(g.do("GET", "/pending", "").json["endpoints"], 0, "events")
	require.Len(t, all, 3)
	require.Equal(t, "1", field(all, 0, "correlationKey"))
	require.Len(t, field(g.do("GET", "/pending?key=2", "").json["endpoints"], 0, "events"), 1)
	require.Empty(t, field(g.do("GET", "/pending?key=4", "").json["endpoints"], 0, "events"))

	a := g.do("POST", "/trigger", "")
	require.Equal(t, 400, a.status)
	require.Contains(t, a.str("detail"), "key")
	a = g.do("POST", "/trigger?key=2", "")
	require.Equal(t, 1, a.num("numberOfEvents"), "%s", a.raw)
	require.Equal(t, 0, g.do("POST", "/trigger?key=2", "").num("numberOfEvents"))
	require.Equal(t, 1, g.do("POST", "/reset?key=1", "").num("reset"))
	require.Equal(t, 0, g.do("POST", "/reset?key=1", "").num("reset"))
	require.NotEmpty(t, g.event("entry2", `{"order":3}`).str("triggered"), "other keys are as they were")

	messages := g.do("GET", "/messages?key=2", "").json["messages"]
	require.Len(t, messages, 1)
	require.Equal(t, a.str("triggered"), field(messages, 0, "eventID"))
	require.Len(t, g.do("GET", "/messages", "").json["messages"], 2)
	require.Empty(t, g.do("GET", "/messages?key=1", "").json["messages"])

	without := newGateway(t, oneService(""))
	byKind := newGateway(t, windowed(`,"window":"anchored"`, "", ""))
	for _, op := range []string{"GET /status", "POST /check", "POST /trigger", "POST /reset", "GET /pending", "GET /messages", "GET /windows"} {
		method, path, _ := strings.Cut(op, " ")
		for _, other := range []*gateway{without, byKind} {
			a := other.do(method, path+"?key=1", "")
			require.Equal(t, 400, a.status, "%s: %s", op, a.raw)
			require.Contains(t, a.str("detail"), "this service has no correlation", op)
		}
		for _, bad := range []string{"", strings.Repeat("k", 1001)} {
			a := g.do(method, path+"?key="+bad, "")
			require.Equal(t, 400, a.status, op)
			require.Contains(t, a.str("detail"), "key must have 1 to 1000 bytes", op)
		}
	}
}

// A message says which window it has, on the bus too.
func TestFieldsOfAMessageWithAKey(t *testing.T) {
	t.Parallel()
	g := newGateway(t, windowed(`,"window":"anchored","onClose":"partial"`, "", byOrder))
	g.event("entry1", `{"order":"é"}`)
	g.advance(time.Minute)
	complete := g.event("entry2", `{"order":"é"}`).str("triggered")
	a := g.do("GET", "/messages/"+complete, "")
	require.Equal(t, "é", a.json["correlationKey"])
	require.Equal(t, "complete", a.json["completion"])
	require.NotContains(t, a.json, "missing")
	require.Equal(t, map[string]any{"opened": "2026-05-01T12:00:00Z", "closes": "2026-05-01T13:00:00Z"}, a.json["window"])

	g.event("entry1", `{"order":8}`)
	g.advance(time.Hour)
	require.Equal(t, 200, g.do("POST", "/sweep", "").status)
	sent := g.bus.all()
	require.Len(t, sent, 2)
	require.Equal(t, "é", sent[0].Attributes["correlationKey"])
	require.Equal(t, "complete", sent[0].Attributes["completion"])
	require.Equal(t, "dev.headgate.sync.v1", sent[0].Attributes["ce-type"])
	require.Equal(t, "8", sent[1].Attributes["correlationKey"])
	require.Equal(t, "partial", sent[1].Attributes["completion"])
	require.Equal(t, "dev.headgate.sync.partial.v1", sent[1].Attributes["ce-type"])
	var body map[string]any
	require.NoError(t, json.Unmarshal(sent[1].Data, &body))
	require.Equal(t, "partial", body["completion"])
	require.Equal(t, []any{map[string]any{"eventKey": "entry2", "have": 0.0, "need": 1.0}}, body["missing"])

	one := field(g.do("GET", "/messages?key=8", "").json["messages"], 0)
	require.Equal(t, "8", field(one, "correlationKey"))
	require.Equal(t, "partial", field(one, "completion"))
	require.Equal(t, "entry2", field(one, "missing", 0, "eventKey"))
	require.Equal(t, "2026-05-01T13:01:00Z", field(one, "closes"))

	g = newGateway(t, oneService(""))
	g.event("entry1", "x")
	plain := g.do("GET", "/messages/"+g.event("entry2", "y").str("triggered"), "")
	for _, name := range []string{"correlationKey", "completion", "missing", "window"} {
		require.NotContains(t, plain.json, name)
		require.NotContains(t, field(g.do("GET", "/messages", "").json["messages"], 0), name)
		require.NotContains(t, g.bus.all()[0].Attributes, name)
	}
}

// A key is found under the text by which it was sent, whatever bytes it has.
func TestKeysOfAllBytes(t *testing.T) {
	t.Parallel()
	g := newGateway(t, windowed(`,"window":"anchored"`, "", `,"correlation":{"key":"event.query.k"}`))
	for _, key := range []string{"%ff", "%ed%a0%80", "%00", "a%00b", "0", "%0d%0a", "%2FdeadLetter", "e%cc%81", "%c3%a9", "%2e%2e", "__x__", strings.Repeat("k", 1000)} {
		require.Equal(t, 200, g.do("POST", "/event/entry1?k="+key, "x").status)
		for _, path := range []string{"/status", "/pending", "/windows", "/messages", "/events"} {
			require.Equal(t, 200, g.do("GET", path+"?key="+key, "").status, "%s %s", path, key)
		}
		require.Len(t, g.lines("?key="+key), 1, key)
		require.Equal(t, 1, g.do("POST", "/trigger?key="+key, "").num("numberOfEvents"), key)
	}
	require.Empty(t, field(g.do("GET", "/windows", "").json["windows"]))
}
