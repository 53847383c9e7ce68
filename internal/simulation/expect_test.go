package simulation_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/simulation"
)

// What is expected is evaluated at its instants: of a service with plain sets, whose claims
// tell by their counts whether they were complete, and of one with windows. After the last
// event, the next instant is the last one.
func TestWhatIsExpectedIsAlertedAtItsInstant(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"", `"window":"anchored","onClose":"partial",`} {
		lines, _ := run(t, gateOf(t, `"expect":[{"cron":"0 * * * *"}],"trigger":{"type":"window",`+kind+`"observationPeriod":600},"endpoints":[{"eventKey":"a"},{"eventKey":"b"}]`), simulation.Options{}, `
			{"at":"2026-05-01T12:10:00Z","eventKey":"a","id":"a1"}
			{"at":"2026-05-01T12:11:00Z","eventKey":"b","id":"b1"}
			{"at":"2026-05-01T14:55:00Z","eventKey":"a","id":"a2"}
			{"at":"2026-05-01T15:00:00Z","eventKey":"b","id":"b2"}
			{"at":"2026-05-01T16:05:00Z","eventKey":"a","id":"a3"}
			{"at":"2026-05-01T16:06:00Z","eventKey":"b","id":"b3"}`)
		requireLines(t, lines,
			`{"at":"2026-05-01T12:11:00Z","kind":"message","events":{"a":["a1"],"b":["b1"]}}`,
			`{"at":"2026-05-01T14:00:00Z","kind":"alert","alert":{"kind":"overdue","since":"2026-05-01T13:00:00Z"}}`,
			`{"at":"2026-05-01T15:00:00Z","kind":"alert","alert":{"kind":"overdue","missing":[{"eventKey":"b","have":0,"need":1}]}}`,
			`{"at":"2026-05-01T15:00:00Z","kind":"message","events":{"a":["a2"],"b":["b2"]}}`,
			`{"at":"2026-05-01T16:00:00Z","kind":"alert"}`,
			`{"at":"2026-05-01T16:06:00Z","kind":"message","events":{"a":["a3"],"b":["b3"]}}`)
	}
}

// Each kind of alert is a line, once, and nothing is sent: not to endpoints and targets, which
// a simulation does not have.
func TestAlertsAreLines(t *testing.T) {
	t.Parallel()
	const alerts = `"alerts":{"topic":"projects/p-1/topics/on-call","http":[{"url":"https://example.com/x","secret":"env:NONE"}]},
		"targets":[{"name":"http","http":{"url":"https://example.com/y","oidc":true}}],`
	lines, _ := run(t, gateOf(t, alerts+twoEndpoints), simulation.Options{}, `
		{"at":"2026-05-01T12:00:00Z","eventKey":"a","id":"a1"}
		{"at":"2026-05-01T12:00:10Z","eventKey":"a","id":"a2"}
		{"at":"2026-05-01T13:00:00Z","eventKey":"a","id":"a3"}
		{"at":"2026-05-01T13:00:01Z","eventKey":"b","id":"b3"}`)
	var counts int
	for _, l := range lines {
		if l.Kind == simulation.Alert {
			require.Equal(t, "expired", l.AlertKind())
			var a struct{ Endpoints []struct{ Expired int } }
			require.NoError(t, json.Unmarshal(l.Alert, &a))
			counts += a.Endpoints[0].Expired
		}
	}
	require.Equal(t, 2, counts)
	requireLines(t, lines[len(lines)-1:], `{"kind":"message","events":{"a":["a3"],"b":["b3"]}}`)

	lines, _ = run(t, gateOf(t, alerts+`"correlation":{"key":"event.body.k"},"reset":[{"cron":"0 13 * * *"}],
		"trigger":{"type":"window","window":"anchored","observationPeriod":600,"onClose":"drop"},"endpoints":[{"eventKey":"a"},{"eventKey":"b"}]`), simulation.Options{}, `
		{"at":"2026-05-01T12:00:00Z","eventKey":"a","id":"a1","body":{"k":1}}
		{"at":"2026-05-01T12:00:10Z","eventKey":"b","id":"b2","body":{"k":2}}
		{"at":"2026-05-01T12:55:00Z","eventKey":"b","id":"b3","body":{"k":3}}`)
	requireLines(t, lines,
		`{"at":"2026-05-01T12:10:00Z","kind":"dropped","key":"1"}`,
		`{"at":"2026-05-01T12:10:00Z","kind":"alert","key":"1","alert":{"kind":"incomplete","missing":[{"eventKey":"b","have":0,"need":1}]}}`,
		`{"at":"2026-05-01T12:10:10Z","kind":"dropped","key":"2"}`,
		`{"at":"2026-05-01T12:10:10Z","kind":"alert","key":"2","alert":{"kind":"incomplete"}}`,
		`{"at":"2026-05-01T13:00:00Z","kind":"expired","key":"3"}`,
		`{"kind":"alert","key":"3","alert":{"kind":"expired"}}`)
}

// A simulation with expectations remembers no more claims than they need.
func TestExpectationsDoNotHoldClaims(t *testing.T) { // not parallel: it measures the heap
	svc := gateOf(t, `"expect":[{"cron":"0 * * * *"}],"trigger":{"type":"window","observationPeriod":600},"endpoints":[{"eventKey":"a"}]`)
	heap := func(events int) uint64 {
		var text strings.Builder
		at := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
		for n := range events {
			fmt.Fprintf(&text, "{\"at\":%q,\"eventKey\":\"a\"}\n", at.Add(time.Duration(n)*10*time.Second).Format(time.RFC3339))
		}
		return largestHeap(t, svc, strings.NewReader(text.String())) - uint64(text.Len())
	}
	short := heap(6_000)
	require.Less(t, heap(30_000), short+1<<20)
}
