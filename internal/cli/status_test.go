package cli

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The first line says what a window waits for, also where each key has a window of its own.
func TestStatusSaysWhatWaits(t *testing.T) {
	t.Parallel()
	for doc, want := range map[string]string{
		`{"complete":true,"endpoints":[{"eventKey":"a","have":1,"need":1}]}`:                                                          "complete",
		`{"endpoints":[{"eventKey":"a","have":0,"need":2}],"missing":[{"eventKey":"a","have":0,"need":2}]}`:                           "waits for a 0 of 2",
		`{"endpoints":[{"eventKey":"a","have":0,"need":1},{"eventKey":"b","have":0,"need":1}],"missing":[]}`:                          "nothing waits",
		`{"endpoints":[{"eventKey":"a","have":0,"need":1},{"eventKey":"b","have":3,"need":1}],"missing":[],"window":{"opened":null}}`: "events wait, each key in a window of its own",
	} {
		var s statusAnswer
		require.NoError(t, json.Unmarshal([]byte(doc), &s))
		s.ServiceName = "gate"
		var out strings.Builder
		require.NoError(t, printStatus(&out, &s))
		first, _, _ := strings.Cut(out.String(), "\n")
		require.Equal(t, "gate: "+want, first, doc)
	}
}

func TestStatusNamesAlerts(t *testing.T) {
	t.Parallel()
	var s statusAnswer
	require.NoError(t, json.Unmarshal([]byte(`{"serviceName":"nightly","alerts":[
		{"kind":"overdue","at":"2026-05-03T04:30:00Z","missing":[{"eventKey":"stock","have":0,"need":1}]},
		{"kind":"incomplete","correlationKey":"17\n","at":"2026-05-03T04:15:00Z","missing":[{"eventKey":"stock","have":1,"need":2}],"waiting":true}]}`), &s))
	var out strings.Builder
	require.NoError(t, printStatus(&out, &s))
	require.Contains(t, out.String(), "alert: overdue, missing stock 0 of 1, 2026-05-03 04:30Z\n")
	require.Contains(t, out.String(), "alert: incomplete of key 17")
	require.Contains(t, out.String(), "missing stock 1 of 2, not delivered yet, 2026-05-03 04:15Z\n")
	require.NotContains(t, out.String(), "17\n", "a key begins no line of its own")
}

// Events that are in no window are counted, where there are some.
func TestStatusShowsCounts(t *testing.T) {
	t.Parallel()
	var s statusAnswer
	require.NoError(t, json.Unmarshal([]byte(`{"serviceName":"nightly","complete":true,"endpoints":[
		{"eventKey":"a","have":1,"need":1,"counts":{"duplicate":2,"filtered":0,"superseded":3,"dropped":0,"deadLettered":0,"refused":0}},{"eventKey":"b","have":1,"need":1}],
		"feeds":[{"name":"files","counts":{"duplicate":0,"filtered":0,"superseded":0,"dropped":4,"deadLettered":0,"refused":0}},{"name":"quiet"}]}`), &s))
	var out strings.Builder
	require.NoError(t, printStatus(&out, &s))
	require.Contains(t, spaces.ReplaceAllString(out.String(), "  "),
		"endpoint  events  duplicate  superseded  dropped\na  1 of 1  2  3  -\nb  1 of 1  -  -  -\n/feed/files  -  -  -  4\n\n")
}

// What waits has its reason, and a hint at the command that knows what to do about it. If the
// last message is published, the reason of the others is unknown.
func TestStatusSaysWhyMessagesWait(t *testing.T) {
	t.Parallel()
	waiting := func(last string) string {
		var s statusAnswer
		require.NoError(t, json.Unmarshal([]byte(`{"serviceName":"nightly","outbox":{"backlog":2,"oldest":"2026-05-03T04:15:00Z"},"lastMessage":`+last+`}`), &s))
		var out strings.Builder
		require.NoError(t, printStatus(&out, &s))
		return out.String()
	}
	require.Contains(t, waiting(`{"eventID":"e1","state":"claimed","lastError":"no such topic"}`), "2 messages not published yet, the oldest 2026-05-03 04:15Z: no such topic\nheadgate doctor says what to do about it\n")
	require.NotContains(t, waiting(`{"eventID":"e1","state":"published"}`), "doctor")
}
