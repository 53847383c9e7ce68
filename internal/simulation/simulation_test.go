package simulation_test

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/simulation"
)

func serviceOf(t testing.TB, text string) config.Service {
	t.Helper()
	cfg, err := config.Parse([]byte(text))
	require.NoError(t, err)
	return cfg.Services[0]
}

// gateOf returns a service with these fields, beside its name and topic.
func gateOf(t testing.TB, fields string) config.Service {
	t.Helper()
	return serviceOf(t, `{"serviceName":"s","targetPubSub":{"topic":"projects/p-1/topics/sync"},`+fields+`}`)
}

func recipe(t testing.TB, name string) config.Service {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../config/examples", name+".json"))
	require.NoError(t, err)
	return serviceOf(t, string(text))
}

// run returns the lines.
func run(t testing.TB, svc config.Service, o simulation.Options, events string) ([]*simulation.Line, simulation.Summary) {
	t.Helper()
	var lines []*simulation.Line
	sum, err := simulation.Run(t.Context(), svc, simulation.Read(strings.NewReader(events)), o, func(l *simulation.Line) error {
		lines = append(lines, l)
		return nil
	})
	require.NoError(t, err)
	return lines, sum
}

// requireLines compares the lines with expected ones.
func requireLines(t testing.TB, got []*simulation.Line, expected ...string) {
	t.Helper()
	want, err := simulation.ReadExpected(strings.NewReader(strings.Join(expected, "\n")))
	require.NoError(t, err)
	difference, err := simulation.Compare(want, got)
	require.NoError(t, err)
	require.Empty(t, difference)
}

const twoEndpoints = `"trigger":{"type":"window","observationPeriod":600},"endpoints":[{"eventKey":"a"},{"eventKey":"b"}]`

// Lines are in the order of time, although a sweep finds only later what has left its window.
func TestEventsLeaveASlidingWindowAtTheirTime(t *testing.T) {
	t.Parallel()
	lines, sum := run(t, gateOf(t, twoEndpoints), simulation.Options{}, `
		{"at":"2026-05-01T12:00:01Z","eventKey":"a","id":"a1"}
		{"at":"2026-05-01T12:10:00Z","eventKey":"a","id":"a2"}
		{"at":"2026-05-01T12:10:01Z","eventKey":"b","id":"b1"}
		{"at":"2026-05-01T12:10:23Z","eventKey":"b","id":"b2"}
		{"at":"2026-05-01T12:20:22Z","eventKey":"a","id":"a3"}
		{"at":"2026-05-01T12:20:40Z","eventKey":"b","id":"b3"}`)
	requireLines(t, lines,
		`{"at":"2026-05-01T12:10:01Z","kind":"message","events":{"a":["a2"],"b":["b1"]}}`,
		`{"at":"2026-05-01T12:10:01Z","kind":"expired","events":{"a":["a1"]}}`,
		`{"at":"2026-05-01T12:20:22Z","kind":"message","events":{"a":["a3"],"b":["b2"]}}`,
		`{"at":"2026-05-01T12:30:40Z","kind":"expired","events":{"b":["b3"]}}`)
	require.Equal(t, 6, sum.Events)
	require.Zero(t, sum.Waiting)
}

func TestAWindowIsDroppedOrDeadLettered(t *testing.T) {
	t.Parallel()
	for onClose, kind := range map[string]string{"drop": "dropped", "deadLetter": "deadLetter"} {
		lines, _ := run(t, gateOf(t, `"deadLetter":{"topic":"projects/p-1/topics/dead"},"correlation":{"key":"event.body.k"},
			"trigger":{"type":"window","window":"anchored","observationPeriod":60,"onClose":"`+onClose+`"},"endpoints":[{"eventKey":"a"},{"eventKey":"b"}]`), simulation.Options{}, `
			{"at":"2026-05-01T12:00:00Z","eventKey":"a","body":{"k":1}}
			{"at":"2026-05-01T12:00:10Z","eventKey":"a","body":{"k":2}}
			{"at":"2026-05-01T12:00:20Z","eventKey":"b","body":{"k":2}}`)
		requireLines(t, lines,
			`{"at":"2026-05-01T12:00:20Z","kind":"message","key":"2","completion":"complete"}`,
			`{"at":"2026-05-01T12:01:00Z","kind":"`+kind+`","key":"1","have":{"a":1},"missing":[{"eventKey":"b","have":0,"need":1}]}`)
	}
}

func TestAResetEmptiesTheWindow(t *testing.T) {
	t.Parallel()
	for _, window := range []string{"sliding", "session"} {
		lines, _ := run(t, gateOf(t, `"reset":[{"cron":"0 4 * * *","timeZone":"Europe/Berlin"}],
			"trigger":{"type":"window","window":"`+window+`","observationPeriod":36000},"endpoints":[{"eventKey":"a"},{"eventKey":"b"}]`), simulation.Options{}, `
			{"at":"2026-05-01T03:59:00+02:00","eventKey":"a","id":"before"}
			{"at":"2026-05-01T04:00:01+02:00","eventKey":"b","id":"after"}
			{"at":"2026-05-01T04:30:00+02:00","eventKey":"a","id":"later"}`)
		requireLines(t, lines,
			`{"at":"2026-05-01T04:00:00+02:00","kind":"expired","events":{"a":["before"]}}`,
			`{"at":"2026-05-01T04:30:00+02:00","kind":"message","events":{"a":["later"],"b":["after"]}}`)
	}
}

// A service that keeps its events publishes them again with each further one. Those that were
// in a message do not expire.
func TestEventsThatAreKept(t *testing.T) {
	t.Parallel()
	lines, _ := run(t, gateOf(t, `"trigger":{"type":"window","observationPeriod":600,"keepEventAfterTrigger":true},"endpoints":[{"eventKey":"a"},{"eventKey":"b"}]`), simulation.Options{}, `
		{"at":"2026-05-01T12:00:00Z","eventKey":"a","id":"a1"}
		{"at":"2026-05-01T12:05:00Z","eventKey":"b","id":"b1"}
		{"at":"2026-05-01T12:06:00Z","eventKey":"a","id":"a2"}
		{"at":"2026-05-01T12:30:00Z","eventKey":"a","id":"a3"}`)
	requireLines(t, lines,
		`{"at":"2026-05-01T12:05:00Z","kind":"message","events":{"a":["a1"],"b":["b1"]}}`,
		`{"at":"2026-05-01T12:06:00Z","kind":"message","events":{"a":["a1","a2"],"b":["b1"]}}`,
		`{"at":"2026-05-01T12:40:00Z","kind":"expired","events":{"a":["a3"]}}`)
}

func TestUntil(t *testing.T) {
	t.Parallel()
	lines, sum := run(t, recipe(t, "order-payment-stock"), simulation.Options{Until: time.Date(2026, 5, 1, 13, 0, 2, 0, time.UTC)}, `
		{"at":"2026-05-01T12:00:01Z","eventKey":"order","body":{"orderId":17}}
		{"at":"2026-05-01T12:00:02Z","eventKey":"order","body":{"orderId":18}}
		{"at":"2026-05-01T13:00:02Z","eventKey":"order","body":{"orderId":19}}`)
	requireLines(t, lines, `{"at":"2026-05-01T13:00:01Z","key":"17","completion":"partial"}`)
	require.Equal(t, 2, sum.Events)
	require.Equal(t, 1, sum.Waiting)
}

func TestTheSameEventsGiveTheSameLines(t *testing.T) {
	t.Parallel()
	svc := recipe(t, "order-payment-stock")
	play := func() (text string) {
		_, err := simulation.Run(t.Context(), svc, simulation.Read(&orders{most: 9000}), simulation.Options{}, func(l *simulation.Line) error {
			line, err := json.Marshal(l)
			text += string(line) + "\n"
			return err
		})
		require.NoError(t, err)
		return text
	}
	first := play()
	require.Equal(t, first, play())
	require.Greater(t, strings.Count(first, "complete"), 1000)
	require.Greater(t, strings.Count(first, "partial"), 100)
}

// Memory holds what is open. A simulation that is five times as long takes no more of it, apart
// from names, which are remembered for a day: the events of this one have none.
func TestMemoryDoesNotGrowWithTheEvents(t *testing.T) { // not parallel: it measures the heap
	svc := gateOf(t, `"trigger":{"type":"window","window":"anchored","observationPeriod":3600,"onClose":"partial"},"correlation":{"key":"event.body.orderId"},
		"endpoints":[{"eventKey":"order"},{"eventKey":"payment"},{"eventKey":"stock"}]`)
	heap := func(events int) uint64 { return largestHeap(t, svc, &orders{most: events, unnamed: true}) }
	short := heap(12_000)
	require.Less(t, heap(60_000), short+1<<20)
}

// largestHeap plays the events, and returns the largest heap that it saw.
func largestHeap(t *testing.T, svc config.Service, events io.Reader) (largest uint64) {
	t.Helper()
	seen := 0
	_, err := simulation.Run(t.Context(), svc, simulation.Read(events), simulation.Options{}, func(*simulation.Line) error {
		if seen++; seen%500 == 0 {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			largest = max(largest, m.HeapAlloc)
		}
		return nil
	})
	require.NoError(t, err)
	return largest
}

func TestFaultsOfTheEvents(t *testing.T) {
	t.Parallel()
	for events, want := range map[string]string{
		`{"at":"2026-05-01T12:00:00Z"}`: "line 1: has neither eventKey nor feed",
		`{"eventKey":"a"}`:              `line 1: has neither "receivedAt"`,
		"\n" + `{"at":"2026-05-01T12:00:00Z","eventKey":"a","bdoy":1}`:                                         `line 2: json: unknown field "bdoy"`,
		`{"error":"the store did not answer"}`:                                                                 "line 1: the events end here, before their time: the store did not answer",
		`{"at":"2026-05-01T12:00:00Z","eventKey":"a","body":1,"text":"x"}`:                                     "line 1: has both body and text",
		`{"receivedAt":"2026-05-01T12:00:00Z","eventKey":"a","id":"7"}`:                                        `line 1: "7" is not the id of an event`,
		`{"at":"2026-05-01T12:00:00Z","eventKey":"a"}` + "\n" + `{"at":"2026-05-01T11:00:00Z","eventKey":"a"}`: "line 2: is received at 2026-05-01T11:00:00Z, before the line above it",
	} {
		_, err := simulation.Run(t.Context(), gateOf(t, twoEndpoints), simulation.Read(strings.NewReader(events)), simulation.Options{}, func(*simulation.Line) error { return nil })
		require.ErrorContains(t, err, want)
	}
}

// An event that a source got an error for is a line, and the others go on.
func TestRefusedEvents(t *testing.T) {
	t.Parallel()
	lines, sum := run(t, gateOf(t, `"trigger":{"type":"window","observationPeriod":600},"endpoints":[{"eventKey":"a","filter":"event.body.size > 0"}]`), simulation.Options{}, `
		{"at":"2026-05-01T12:00:01Z","eventKey":"a","id":"1","body":{}}
		{"at":"2026-05-01T12:00:02Z","eventKey":"b","id":"2","body":{}}
		{"at":"2026-05-01T12:00:03Z","eventKey":"a","id":"3","body":{"size":0}}
		{"at":"2026-05-01T12:00:04Z","eventKey":"a","id":"4","body":{"size":1}}
		{"at":"2026-05-01T12:00:05Z","eventKey":"a","id":"5","body":{"size":1},"idempotencyKey":"x"}
		{"at":"2026-05-01T12:00:06Z","eventKey":"a","id":"6","body":{"size":1},"idempotencyKey":"x"}`)
	requireLines(t, lines,
		`{"kind":"refused","events":{"a":["1"]}}`, `{"kind":"refused","events":{"b":["2"]},"reason":"no endpoint \"b\""}`,
		`{"kind":"message","events":{"a":["4"]}}`, `{"kind":"message","events":{"a":["5"]}}`)
	require.Equal(t, "6 2 1 1", fmt.Sprint(sum.Events, sum.Refused, sum.Filtered, sum.Duplicates))
}
