package functions

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const deadLetters = `,"deadLetter":{"topic":"` + deadTopic + `"}`

// Where the policy is deadLetter, an event that an expression cannot read goes to the dead
// letters alone, and says which expression it was.
func TestSingleEventsAsDeadLetters(t *testing.T) {
	t.Parallel()
	const broken = `event.body.secret.x`
	for reason, cfg := range map[string]string{
		"filter":            windowed("", `,"onError":"deadLetter","filter":"`+broken+`"`, deadLetters),
		"id":                windowed("", `,"onError":"deadLetter","id":"`+broken+`"`, deadLetters),
		"distinct":          windowed("", `,"onError":"deadLetter","distinct":"`+broken+`"`, deadLetters),
		"correlation.key":   windowed("", "", deadLetters+`,"correlation":{"key":"`+broken+`","onMissing":"deadLetter"}`),
		"trigger.eventTime": strings.Replace(windowed(`,"window":"tumbling","every":"day","eventTime":"`+broken+`"`, `,"onError":"deadLetter"`, deadLetters), `"observationPeriod":3600,`, "", 1),
		"late":              strings.Replace(windowed(`,"window":"tumbling","every":"hour","eventTime":"event.headers.at","late":"deadLetter"`, ``, deadLetters), `"observationPeriod":3600,`, "", 1),
		"by hand only":      strings.Replace(windowed("", `,"onError":"deadLetter","filter":"`+broken+`"`, deadLetters), `"type":"window"`, `"type":"none"`, 1),
		"kept events":       strings.Replace(windowed("", `,"onError":"deadLetter","filter":"`+broken+`"`, deadLetters), `"type":"window"`, `"type":"window","keepEventAfterTrigger":true`, 1),
		"asynchronous":      windowed("", `,"onError":"deadLetter","filter":"`+broken+`"`, deadLetters+`,"asyncEventTrigger":true`),
	} {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			why := reason
			if !strings.Contains("id distinct correlation.key trigger.eventTime late", reason) {
				why = "filter"
			}
			g := newGateway(t, cfg)
			headers := []string{"At", "2026-05-01T09:00:00Z", "Idempotency-Key", "k"}
			if reason == "id" {
				headers = headers[:2] // the source's own name comes first
			}
			a := g.event("entry1", `{"secret":"hunter2"}`, headers...)
			require.Equal(t, why, a.json["deadLetter"], "%s", a.raw)
			require.NotEmpty(t, a.str("id"))
			require.Nil(t, a.json["triggered"])
			require.Eventually(t, func() bool { return len(g.bus.all()) == 1 }, time.Minute, time.Millisecond)
			if reason != "id" {
				again := g.event("entry1", `{"secret":"hunter2"}`, headers...)
				require.Equal(t, true, again.json["duplicate"])
				require.NotContains(t, again.json, "deadLetter")
			}

			require.Equal(t, []string{deadTopic}, g.bus.topics)
			sent := g.bus.all()[0]
			require.Equal(t, why, sent.Attributes["reason"])
			require.Equal(t, "dev.headgate.sync.deadLetter.v1", sent.Attributes["ce-type"])
			require.NotContains(t, sent.Attributes, "correlationKey")
			var body map[string]any
			require.NoError(t, json.Unmarshal(sent.Data, &body))
			require.Equal(t, "deadLetter", body["completion"])
			require.Equal(t, why, body["reason"])
			require.Equal(t, a.str("id"), field(body, "events", "entry1", "events", 0, "id"))
			require.NotContains(t, g.logs.String(), "hunter2")

			require.Eventually(t, func() bool {
				return field(g.do("GET", "/messages", "").json["messages"], 0, "state") == "published"
			}, time.Minute, time.Millisecond)
			m := field(g.do("GET", "/messages", "").json["messages"], 0)
			require.Equal(t, why, field(m, "reason"))
			require.Equal(t, 200, g.do("POST", "/messages/"+field(m, "eventID").(string)+"/replay", "").status)
			require.Equal(t, []string{deadTopic, deadTopic}, g.bus.topics)
			s := g.do("GET", "/status", "")
			require.Equal(t, 0.0, field(s.json["endpoints"], 0, "have"), "it is in no window")
			require.Equal(t, 1.0, field(s.json["endpoints"], 0, "counts", "deadLettered"))
		})
	}
}

// A dead letter waits for the bus as a message does, and its source does not.
func TestADeadLetterWaitsForTheBus(t *testing.T) {
	t.Parallel()
	g := newGateway(t, windowed("", `,"onError":"deadLetter","filter":"event.body.ok"`, deadLetters))
	g.bus.set(errors.New("away"))
	for range 3 { // the second and third find a bus that failed a moment ago
		require.Equal(t, "filter", g.event("entry1", "{}").json["deadLetter"])
	}
	require.Len(t, g.do("GET", "/messages?state=claimed", "").json["messages"], 3)
	g.bus.set(nil)
	g.advance(time.Minute)
	g.event("entry1", `{"ok":false}`) // any request helps
	require.Equal(t, []string{deadTopic, deadTopic, deadTopic}, g.bus.topics)
}

// A retry of an event that was stored in time is a duplicate, however late it is.
func TestALateRetryIsNoDeadLetter(t *testing.T) {
	t.Parallel()
	g := newGateway(t, strings.Replace(windowed(`,"window":"tumbling","every":"hour","eventTime":"event.body.at","late":"deadLetter"`, ``, deadLetters), `"observationPeriod":3600,`, "", 1))
	first := g.event("entry1", `{"at":"2026-05-01T12:10:00Z"}`, "Idempotency-Key", "k")
	g.advance(2 * time.Hour)
	late := g.event("entry1", `{"at":"2026-05-01T12:10:00Z"}`, "Idempotency-Key", "k")
	require.Equal(t, true, late.json["duplicate"])
	require.Equal(t, first.str("id"), late.str("id"))
	require.NotContains(t, late.json, "deadLetter")
	require.Empty(t, g.bus.all())
	require.Equal(t, "late", g.event("entry1", `{"at":"2026-05-01T12:10:00Z"}`).json["deadLetter"])
}

// With maxPending, events are refused while more of them wait. A batch is refused whole.
func TestEventsAreRefusedOverMaxPending(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]string{"plain": "", "by key": byOrder} {
		g := newGateway(t, oneService(cfg+`,"maxPending":3`))
		for range 4 {
			g.event("entry1", `{"order":1}`) // the count of the first one holds for a while
		}
		g.advance(5 * time.Second)
		for _, path := range []string{"/event/entry1", "/events/entry1"} {
			a := g.do("POST", path, `[{"order":1}]`)
			require.Equal(t, 429, a.status, "%s: %s", name, a.raw)
			require.Equal(t, "5", a.header.Get("Retry-After"))
			require.Equal(t, "application/problem+json", a.header.Get("Content-Type"))
			require.Contains(t, a.str("detail"), "maxPending, which is 3")
		}
		require.Equal(t, 4.0, field(g.do("GET", "/status", "").json["endpoints"], 0, "have"), name)
		require.Equal(t, 200, g.do("POST", "/reset", "").status, "an operator still acts")
		require.Equal(t, 429, g.do("POST", "/event/entry1", `{"order":1}`).status, "until the next count")
		g.advance(5 * time.Second)
		g.event("entry1", `{"order":1}`)
		require.Equal(t, 1, strings.Count(g.logs.String(), "more events wait than maxPending"), g.logs.String())
	}
}

// The status counts what is in no window, and says since when. It has no such members while
// there is nothing to count.
func TestCountsOfEventsThatDoNotCount(t *testing.T) {
	t.Parallel()
	g := newGateway(t, windowed("", `,"filter":"event.body.ok","distinct":"event.body.name"`, `,"correlation":{"key":"event.body.order","onMissing":"drop"}`))
	started := g.now.Format(time.RFC3339)
	g.advance(time.Minute)
	s := g.do("GET", "/status", "")
	require.NotContains(t, s.json, "countedSince")
	require.NotContains(t, s.json, "feeds")
	require.NotContains(t, field(s.json["endpoints"], 0), "counts")
	for _, body := range []string{`{"ok":false}`, `{"ok":true,"name":"x"}`, `{"ok":true,"order":1}`, `{}`} {
		g.do("POST", "/event/entry1", body)
	}
	one := `{"ok":true,"order":1,"name":"x"}`
	g.event("entry1", one, "Idempotency-Key", "k")
	require.Equal(t, true, g.event("entry1", one, "Idempotency-Key", "k").json["duplicate"])
	g.event("entry1", one)
	g.do("POST", "/events/entry1", `[{"ok":false},{}]`)
	s = g.do("GET", "/status", "")
	require.Equal(t, started, s.json["countedSince"])
	require.Equal(t, map[string]any{"duplicate": 1.0, "filtered": 2.0, "superseded": 1.0, "dropped": 1.0, "deadLettered": 0.0, "refused": 3.0},
		field(s.json["endpoints"], 0, "counts"))
	require.NotContains(t, field(s.json["endpoints"], 1), "counts")
}

// A topic of dead letters that is gone delays no message.
func TestMessagesDoNotWaitForDeadLetters(t *testing.T) {
	t.Parallel()
	g := newGateway(t, windowed("", `,"onError":"deadLetter","filter":"event.body.ok"`, deadLetters))
	g.bus.awayFrom = deadTopic
	g.bus.set(errors.New("no such topic"))
	for range 20 {
		g.event("entry1", "{}")
	}
	g.event("entry1", `{"ok":true}`)
	require.Equal(t, true, g.event("entry2", "{}").json["published"])
	g.bus.awayFrom = "" // the message of the next window waits behind the dead letters
	g.event("entry1", `{"ok":true}`)
	require.Equal(t, false, g.event("entry2", "{}").json["published"])
	g.bus.awayFrom = deadTopic
	g.advance(time.Minute)
	require.Equal(t, 1, g.do("POST", "/sweep", "").num("republished"))
	require.Equal(t, []string{testTopic, testTopic}, g.bus.topics)
	require.Len(t, g.do("GET", "/messages?state=claimed", "").json["messages"], 20)

	g.bus.set(nil)
	require.Equal(t, 20, g.do("POST", "/sweep", "").num("republished"), "an operator need not wait")
}
