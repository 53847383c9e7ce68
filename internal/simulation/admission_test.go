package simulation_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/simulation"
)

const bucket = `"deadLetter":{"topic":"projects/p-1/topics/dead"},"trigger":{"type":"window","observationPeriod":600},
	"endpoints":[{"eventKey":"a","unwrap":"pubsub","filter":"event.body.size > 0"},{"eventKey":"b"}],
	"feeds":[{"name":"bucket","routes":[{"when":"event.attributes.objectId.startsWith('in/') && event.body.size >= 0","eventKey":"a"},{"when":"has(event.body.message)","eventKey":"b"}]`

// An event of a feed goes where the routes lead it, as with POST /feed/bucket: a push as a
// whole, or what it carries, as the endpoint keeps it.
func TestEventsOfAFeedAreRouted(t *testing.T) {
	t.Parallel()
	const push = `{"message":{"messageId":"1","data":"eyJzaXplIjoxfQ==","attributes":{"objectId":"%s"}},"subscription":"projects/p/subscriptions/s"}`
	lines, sum := run(t, gateOf(t, bucket+`}]`), simulation.Options{}, `
		{"at":"2026-05-01T12:00:01Z","feed":"bucket","id":"in","body":`+fmt.Sprintf(push, "in/x")+`}
		{"at":"2026-05-01T12:00:02Z","feed":"bucket","id":"in again","body":`+fmt.Sprintf(push, "in/x")+`}
		{"at":"2026-05-01T12:00:03Z","feed":"bucket","id":"empty","attributes":{"objectId":"in/y"},"body":{"size":0}}
		{"at":"2026-05-01T12:00:04Z","feed":"bucket","id":"nobody's","body":{}}
		{"at":"2026-05-01T12:00:05Z","feed":"other","id":"lost","body":{}}
		{"at":"2026-05-01T12:00:06Z","feed":"bucket","id":"out","body":`+fmt.Sprintf(push, "out/x")+`}
		{"at":"2026-05-01T12:00:07Z","eventKey":"a","id":"no feed","body":`+fmt.Sprintf(push, "in/z")+`}`)
	requireLines(t, lines,
		`{"kind":"refused","have":{"/feed/bucket":1},"events":{"/feed/bucket":["nobody's"]}}`,
		`{"kind":"refused","events":{"/feed/other":["lost"]},"reason":"no feed \"other\""}`,
		`{"kind":"message","at":"2026-05-01T12:00:06Z","events":{"a":["in"],"b":["out"]}}`,
		`{"kind":"expired","events":{"a":["no feed"]}}`)
	require.Equal(t, "7 1 1 2", fmt.Sprint(sum.Events, sum.Duplicates, sum.Filtered, sum.Refused))
}

// A recorded event keeps its eventKey, whatever the feed would say now. One that no route
// took is routed again.
func TestRecordedEventsOfAFeed(t *testing.T) {
	t.Parallel()
	const a, b = "0193a5b0c1d2e3f405162738495a6b7c", "0293a5b0c1d2e3f405162738495a6b7c"
	events := `{"id":"` + a + `","service":"s","eventKey":"a","receivedAt":"2026-05-01T12:00:01Z","method":"POST","content":"{\"size\":1}"}
		{"id":"` + b + `","service":"s","eventKey":"/feed/bucket","receivedAt":"2026-05-01T12:00:02Z","method":"POST","content":"{\"message\":{\"messageId\":\"1\",\"data\":\"\",\"attributes\":{\"x\":\"y\"}},\"subscription\":\"s\"}"}`
	lines, _ := run(t, gateOf(t, bucket+`}]`), simulation.Options{}, events)
	requireLines(t, lines, `{"kind":"message","events":{"a":["`+a+`"],"b":["`+b+`"]}}`)
	lines, _ = run(t, gateOf(t, `"deadLetter":{"topic":"projects/p-1/topics/dead"},"trigger":{"type":"window","observationPeriod":600},"endpoints":[{"eventKey":"a"}],
		"feeds":[{"name":"bucket","routes":[{"when":"false","eventKey":"a"}],"otherwise":"deadLetter"}]`), simulation.Options{}, events)
	requireLines(t, lines,
		`{"kind":"message","events":{"a":["`+a+`"]}}`,
		`{"kind":"deadLetter","reason":"noRoute","have":{"/feed/bucket":1},"events":{"/feed/bucket":["`+b+`"]}}`)
}

// What a push says reaches the rules again, whether the endpoint unwrapped it when it was
// recorded or does so now only, and whether a CloudEvent carried it or not.
func TestRecordedPushes(t *testing.T) {
	t.Parallel()
	const push = `{\"message\":{\"messageId\":\"1\",\"data\":\"eyJzaXplIjoxfQ==\",\"attributes\":{\"region\":\"eu\"}},\"subscription\":\"s\"}`
	events := ""
	for i, line := range []string{
		`"content":"{\"size\":1}","pubsub":{"messageId":"1","attributes":{"region":"eu"}}`,
		`"content":"` + push + `"`,
		`"content":"{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"s\",\"type\":\"t\",\"data\":` + push + `}","headers":{"Content-Type":["application/cloudevents+json"]},"cloudEvent":{"specversion":"1.0","id":"1","source":"s","type":"t"}`,
	} {
		events += fmt.Sprintf(`{"id":"0%d93a5b0c1d2e3f405162738495a6b7c","service":"s","eventKey":"a","receivedAt":"2026-05-01T12:00:0%dZ","method":"POST",%s}`, i+1, i+1, line) + "\n"
	}
	lines, sum := run(t, gateOf(t, `"trigger":{"type":"window","observationPeriod":600},
		"endpoints":[{"eventKey":"a","unwrap":"pubsub","filter":"event.attributes.region == 'eu' && event.body.size == 1","minNbOfOccurrence":3}]`), simulation.Options{}, events)
	require.Zero(t, sum.Filtered+sum.Refused, "%v", lines)
	require.Len(t, lines, 1)
}

// An event that a policy keeps from every window is a line: a dead letter, or dropped. What a
// filter or a feed is there to drop is only counted.
func TestEventsThatAPolicyTakes(t *testing.T) {
	t.Parallel()
	const closing = `"deadLetter":{"topic":"projects/p-1/topics/dead"},"trigger":{"type":"window","window":"tumbling","every":"hour","eventTime":"event.body.t","release":"close","late":"%[1]s"},
		"correlation":{"key":"event.body.k","onMissing":"%[1]s"},"endpoints":[{"eventKey":"a","filter":"event.body.size > 0","onError":"%[2]s"}],
		"feeds":[{"name":"f","routes":[{"when":"event.body.k == 'f'","eventKey":"a"}],"otherwise":"%[1]s"}]`
	const events = `
		{"at":"2026-05-01T12:10:00Z","eventKey":"a","id":"in time","body":{"k":"x","t":"2026-05-01T12:09:00Z","size":1}}
		{"at":"2026-05-01T12:10:01Z","eventKey":"a","id":"late","body":{"k":"x","t":"2026-05-01T11:09:00Z","size":1}}
		{"at":"2026-05-01T12:10:02Z","eventKey":"a","id":"no key","body":{"t":"2026-05-01T12:09:00Z","size":1}}
		{"at":"2026-05-01T12:10:03Z","eventKey":"a","id":"small","body":{"k":"x","t":"2026-05-01T12:09:00Z","size":0}}
		{"at":"2026-05-01T12:10:04Z","eventKey":"a","id":"no size","body":{"k":"x","t":"2026-05-01T12:09:00Z"}}
		{"at":"2026-05-01T12:10:05Z","feed":"f","id":"no route","body":{"k":"x"}}`
	const published = `{"at":"2026-05-01T13:00:00Z","kind":"message","key":"x","events":{"a":["in time"]}}`
	lines, sum := run(t, gateOf(t, fmt.Sprintf(closing, "deadLetter", "deadLetter")), simulation.Options{}, events)
	requireLines(t, lines,
		`{"at":"2026-05-01T12:10:01Z","kind":"deadLetter","key":"x","reason":"late","events":{"a":["late"]}}`,
		`{"at":"2026-05-01T12:10:02Z","kind":"deadLetter","reason":"correlation.key","events":{"a":["no key"]}}`,
		`{"at":"2026-05-01T12:10:04Z","kind":"deadLetter","reason":"filter","events":{"a":["no size"]}}`,
		`{"at":"2026-05-01T12:10:05Z","kind":"deadLetter","reason":"noRoute","events":{"/feed/f":["no route"]}}`,
		published)
	require.Equal(t, "6 1 0", fmt.Sprint(sum.Events, sum.Filtered, sum.Waiting))
	for _, l := range lines {
		require.Len(t, l.EventID, 32)
	}

	lines, sum = run(t, gateOf(t, fmt.Sprintf(closing, "drop", "reject")), simulation.Options{}, events)
	requireLines(t, lines,
		`{"at":"2026-05-01T12:10:01Z","kind":"dropped","reason":"late","events":{"a":["late"]}}`,
		`{"at":"2026-05-01T12:10:02Z","kind":"dropped","reason":"noKey","events":{"a":["no key"]}}`,
		`{"at":"2026-05-01T12:10:04Z","kind":"refused","events":{"a":["no size"]}}`,
		published)
	require.Equal(t, "6 1 3 1", fmt.Sprint(sum.Events, sum.Filtered, sum.Dropped, sum.Refused))
}

// A dead letter is no message of the window: events that are kept still expire.
func TestADeadLetterTakesNoKeptEvent(t *testing.T) {
	t.Parallel()
	lines, _ := run(t, gateOf(t, `"deadLetter":{"topic":"projects/p-1/topics/dead"},"trigger":{"type":"window","observationPeriod":600,"keepEventAfterTrigger":true},
		"endpoints":[{"eventKey":"a","filter":"event.body.size > 0","onError":"deadLetter"},{"eventKey":"b"}]`), simulation.Options{}, `
		{"at":"2026-05-01T12:00:00Z","eventKey":"a","id":"a","body":{"size":1}}
		{"at":"2026-05-01T12:00:01Z","eventKey":"a","id":"bad","body":{}}`)
	requireLines(t, lines,
		`{"at":"2026-05-01T12:00:01Z","kind":"deadLetter","reason":"filter","events":{"a":["bad"]}}`,
		`{"at":"2026-05-01T12:10:00Z","kind":"expired","events":{"a":["a"]}}`)
}

// A service refuses all events while more wait than maxPending.
func TestTooManyThatWait(t *testing.T) {
	t.Parallel()
	lines, sum := run(t, gateOf(t, `"maxPending":1,"trigger":{"type":"window","observationPeriod":60},"endpoints":[{"eventKey":"a"},{"eventKey":"b"}]`), simulation.Options{}, `
		{"at":"2026-05-01T12:00:00Z","eventKey":"a","id":"1"}
		{"at":"2026-05-01T12:00:10Z","eventKey":"a","id":"2"}
		{"at":"2026-05-01T12:00:20Z","eventKey":"b","id":"3"}
		{"at":"2026-05-01T12:01:20Z","eventKey":"b","id":"4"}`)
	require.Equal(t, 1, sum.Refused)
	requireLines(t, lines[:1], `{"at":"2026-05-01T12:00:20Z","kind":"refused","events":{"b":["3"]}}`)
}

// Names are forgotten after a day. A message of other events with the same names has an
// eventID of its own, because consumers would drop it otherwise. A simulation forgets its
// claims, and still tells the two apart.
func TestNamesThatAreUsedAgain(t *testing.T) {
	t.Parallel()
	lines, sum := run(t, gateOf(t, `"retentionDays":7,"trigger":{"type":"window","observationPeriod":600},"endpoints":[{"eventKey":"a","id":"'daily'"}]`), simulation.Options{}, `
		{"at":"2026-05-01T12:00:00Z","eventKey":"a"}
		{"at":"2026-05-01T12:30:00Z","eventKey":"a"}
		{"at":"2026-05-02T13:00:00Z","eventKey":"a"}
		{"at":"2026-05-20T13:00:00Z","eventKey":"a"}`)
	require.Equal(t, 1, sum.Duplicates)
	require.Len(t, lines, 3)
	require.NotEqual(t, lines[0].EventID, lines[1].EventID)
	require.Equal(t, lines[0].EventID, lines[2].EventID, "the first message has expired")
}
