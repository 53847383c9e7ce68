package gate_test

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/bus/localbus"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/store/drivertest"
)

// manyA never completes by two events, so that each window closes by its time.
const manyA = `{"eventKey":"a","minNbOfOccurrence":100}`

// clockChange is a service, and its events and windows around a change of the clocks. Times
// are of UTC, so that a reader can count.
type clockChange struct {
	name, trigger, endpoints, more string
	began                          string
	// events are received in this order: the endpoint, the time, and the event's own time if
	// that differs.
	events []string
	until  string
	// windows are the opening, the close, the completion and the number of events of each claim.
	windows []string
	expired int // events that left without a message
}

func daily(zone, more string) string {
	return fmt.Sprintf(`"window":"tumbling","every":"day","timeZone":%q,"onClose":"partial"%s`, zone, more)
}

func hourly(zone, more string) string {
	return fmt.Sprintf(`"window":"tumbling","every":"hour","timeZone":%q,"onClose":"partial"%s`, zone, more)
}

func resetAt(cron, zone string) string {
	return fmt.Sprintf(`,"reset":[{"cron":%q,"timeZone":%q}]`, cron, zone)
}

var clockChanges = []clockChange{
	{
		name: "a day of 23 hours in Berlin", trigger: daily("Europe/Berlin", `,"grace":900`), endpoints: manyA, began: "2026-03-28T12:00:00Z",
		events: []string{"a 2026-03-28T22:59:59Z", "a 2026-03-28T23:00:00Z", "a 2026-03-29T21:59:59Z", "a 2026-03-29T22:00:00Z"}, until: "2026-03-31T00:00:00Z",
		windows: []string{"2026-03-27T23:00:00Z 2026-03-28T23:15:00Z partial 1", "2026-03-28T23:00:00Z 2026-03-29T22:15:00Z partial 2", "2026-03-29T22:00:00Z 2026-03-30T22:15:00Z partial 1"},
	},
	{
		name: "a day of 25 hours in Berlin", trigger: daily("Europe/Berlin", ""), endpoints: manyA, began: "2026-10-24T12:00:00Z",
		events: []string{"a 2026-10-24T22:00:00Z", "a 2026-10-25T22:59:59Z", "a 2026-10-25T23:00:00Z"}, until: "2026-10-27T12:00:00Z",
		windows: []string{"2026-10-24T22:00:00Z 2026-10-25T23:00:00Z partial 2", "2026-10-25T23:00:00Z 2026-10-26T23:00:00Z partial 1"},
	},
	{
		name: "a day that begins in the gap of New York begins after it", trigger: daily("America/New_York", `,"at":"02:30"`), endpoints: manyA, began: "2026-03-07T12:00:00Z",
		events: []string{"a 2026-03-08T06:59:59Z", "a 2026-03-08T07:00:00Z", "a 2026-03-09T06:29:59Z", "a 2026-03-09T06:30:00Z"}, until: "2026-03-11T12:00:00Z",
		windows: []string{"2026-03-07T07:30:00Z 2026-03-08T07:00:00Z partial 1", "2026-03-08T07:00:00Z 2026-03-09T06:30:00Z partial 2", "2026-03-09T06:30:00Z 2026-03-10T06:30:00Z partial 1"},
	},
	{
		name: "a day whose beginning New York's clocks show twice begins at the first", trigger: daily("America/New_York", `,"at":"01:30"`), endpoints: manyA, began: "2026-10-31T12:00:00Z",
		events: []string{"a 2026-11-01T05:29:59Z", "a 2026-11-01T05:30:00Z", "a 2026-11-01T06:30:00Z", "a 2026-11-02T06:29:59Z"}, until: "2026-11-03T12:00:00Z",
		windows: []string{"2026-10-31T05:30:00Z 2026-11-01T05:30:00Z partial 1", "2026-11-01T05:30:00Z 2026-11-02T06:30:00Z partial 3"},
	},
	{
		name: "days of 23.5 and 24.5 hours on Lord Howe, spring", trigger: daily("Australia/Lord_Howe", ""), endpoints: manyA, began: "2026-10-03T12:00:00Z",
		events: []string{"a 2026-10-03T13:30:00Z", "a 2026-10-04T12:59:59Z", "a 2026-10-04T13:00:00Z"}, until: "2026-10-06T12:00:00Z",
		windows: []string{"2026-10-03T13:30:00Z 2026-10-04T13:00:00Z partial 2", "2026-10-04T13:00:00Z 2026-10-05T13:00:00Z partial 1"},
	},
	{
		name: "days of 23.5 and 24.5 hours on Lord Howe, autumn", trigger: daily("Australia/Lord_Howe", ""), endpoints: manyA, began: "2026-04-04T12:00:00Z",
		events: []string{"a 2026-04-04T13:00:00Z", "a 2026-04-05T13:29:59Z", "a 2026-04-05T13:30:00Z"}, until: "2026-04-07T12:00:00Z",
		windows: []string{"2026-04-04T13:00:00Z 2026-04-05T13:30:00Z partial 2", "2026-04-05T13:30:00Z 2026-04-06T13:30:00Z partial 1"},
	},
	{
		name: "Apia's 30 December 2011 has no window", trigger: daily("Pacific/Apia", ""), endpoints: manyA, began: "2011-12-29T09:00:00Z",
		events: []string{"a 2011-12-29T10:00:00Z", "a 2011-12-30T09:59:59Z", "a 2011-12-30T10:00:00Z", "a 2011-12-31T09:59:59Z"}, until: "2012-01-01T12:00:00Z",
		windows: []string{"2011-12-29T10:00:00Z 2011-12-30T10:00:00Z partial 2", "2011-12-30T10:00:00Z 2011-12-31T10:00:00Z partial 2"},
	},
	{
		name: "an hour that Berlin's clocks skip has no window", trigger: hourly("Europe/Berlin", ""), endpoints: manyA, began: "2026-03-28T23:00:00Z",
		events: []string{"a 2026-03-29T00:30:00Z", "a 2026-03-29T00:59:59Z", "a 2026-03-29T01:00:00Z"}, until: "2026-03-29T12:00:00Z",
		windows: []string{"2026-03-29T00:00:00Z 2026-03-29T01:00:00Z partial 2", "2026-03-29T01:00:00Z 2026-03-29T02:00:00Z partial 1"},
	},
	{
		name: "an hour that Berlin's clocks show twice has two windows", trigger: hourly("Europe/Berlin", ""), endpoints: manyA, began: "2026-10-24T23:00:00Z",
		events: []string{"a 2026-10-25T00:30:00Z", "a 2026-10-25T00:59:59Z", "a 2026-10-25T01:00:00Z"}, until: "2026-10-25T12:00:00Z",
		windows: []string{"2026-10-25T00:00:00Z 2026-10-25T01:00:00Z partial 2", "2026-10-25T01:00:00Z 2026-10-25T02:00:00Z partial 1"},
	},
	{
		name: "by an event's own time as well", trigger: hourly("Europe/Berlin", `,"grace":3600,"eventTime":"event.body.at"`), endpoints: manyA, began: "2026-10-24T23:00:00Z",
		events:  []string{"a 2026-10-25T01:10:00Z 2026-10-25T02:30:00+02:00", "a 2026-10-25T01:50:00Z 2026-10-25T02:30:00+01:00", "a 2026-10-25T01:59:59Z 2026-10-25T02:59:59+02:00"},
		until:   "2026-10-25T12:00:00Z",
		windows: []string{"2026-10-25T00:00:00Z 2026-10-25T02:00:00Z partial 2", "2026-10-25T01:00:00Z 2026-10-25T03:00:00Z partial 1"},
	},
	{
		name: "half an hour that Lord Howe's clocks skip lengthens an hour's window", trigger: hourly("Australia/Lord_Howe", ""), endpoints: manyA, began: "2026-10-03T14:00:00Z",
		events: []string{"a 2026-10-03T14:30:00Z", "a 2026-10-03T15:59:59Z", "a 2026-10-03T16:00:00Z"}, until: "2026-10-04T12:00:00Z",
		windows: []string{"2026-10-03T14:30:00Z 2026-10-03T16:00:00Z partial 2", "2026-10-03T16:00:00Z 2026-10-03T17:00:00Z partial 1"},
	},
	{
		name: "and so does half an hour that they show twice", trigger: hourly("Australia/Lord_Howe", ""), endpoints: manyA, began: "2026-04-04T13:30:00Z",
		events: []string{"a 2026-04-04T14:00:00Z", "a 2026-04-04T15:29:59Z", "a 2026-04-04T15:30:00Z"}, until: "2026-04-05T12:00:00Z",
		windows: []string{"2026-04-04T14:00:00Z 2026-04-04T15:30:00Z partial 2", "2026-04-04T15:30:00Z 2026-04-04T16:30:00Z partial 1"},
	},
	{
		name: "a reset that Berlin's clocks skip is after the gap", trigger: `"observationPeriod":86400`, endpoints: twoEndpoints, more: resetAt("30 2 * * *", "Europe/Berlin"), began: "2026-03-28T23:00:00Z",
		events: []string{"a 2026-03-29T00:59:59Z", "a 2026-03-29T01:00:00Z", "b 2026-03-29T01:00:01Z", "a 2026-03-29T01:30:00Z"}, until: "2026-03-29T12:00:00Z",
		windows: []string{"– – complete 2"}, expired: 2,
	},
	{
		name: "a reset that Berlin's clocks show twice is at the first", trigger: `"observationPeriod":86400`, endpoints: twoEndpoints, more: resetAt("30 2 * * *", "Europe/Berlin"), began: "2026-10-24T23:00:00Z",
		events: []string{"a 2026-10-25T00:30:00Z", "a 2026-10-25T00:30:01Z", "b 2026-10-25T01:30:01Z"}, until: "2026-10-25T12:00:00Z",
		windows: []string{"– – complete 2"}, expired: 1,
	},
	{
		name: "resets of every half hour on Lord Howe", trigger: `"observationPeriod":86400`, endpoints: twoEndpoints, more: resetAt("*/30 * * * *", "Australia/Lord_Howe"), began: "2026-10-03T15:00:00Z",
		events: []string{"a 2026-10-03T15:29:00Z", "b 2026-10-03T15:31:00Z", "a 2026-10-03T15:59:00Z"}, until: "2026-10-03T17:00:00Z",
		windows: []string{"– – complete 2"}, expired: 1,
	},
	{
		name: "a reset of the day that Apia does not have is at the next one's beginning", trigger: `"observationPeriod":172800`, endpoints: twoEndpoints, more: resetAt("0 12 30 12 *", "Pacific/Apia"), began: "2011-12-29T23:00:00Z",
		events: []string{"a 2011-12-30T10:00:00Z", "a 2011-12-30T10:00:01Z", "b 2011-12-30T22:00:01Z"}, until: "2011-12-31T12:00:00Z",
		windows: []string{"– – complete 2"}, expired: 1,
	},
	{
		name: "a reset ends an anchored window in the hour that is shown twice", trigger: `"window":"anchored","observationPeriod":7200,"onClose":"partial"`, endpoints: manyA, more: resetAt("0 2 * * *", "Europe/Berlin"), began: "2026-10-24T23:00:00Z",
		events: []string{"a 2026-10-24T23:30:00Z", "a 2026-10-25T00:30:00Z", "a 2026-10-25T01:30:00Z"}, until: "2026-10-25T12:00:00Z",
		windows: []string{"2026-10-25T00:30:00Z 2026-10-25T02:30:00Z partial 2"}, expired: 1,
	},
	{
		name: "a session lasts by elapsed time", trigger: `"window":"session","observationPeriod":3600,"maxPeriod":7200,"onClose":"partial"`, endpoints: manyA, began: "2026-03-29T00:00:00Z",
		events: []string{"a 2026-03-29T00:30:00Z", "a 2026-03-29T01:29:59Z", "a 2026-03-29T02:30:00Z"}, until: "2026-03-29T12:00:00Z",
		windows: []string{"2026-03-29T00:30:00Z 2026-03-29T02:29:59Z partial 2", "2026-03-29T02:30:00Z 2026-03-29T03:30:00Z partial 1"},
	},
	{
		name: "a session lasts by elapsed time, by its longest", trigger: `"window":"session","observationPeriod":3600,"maxPeriod":7200,"onClose":"partial"`, endpoints: manyA, began: "2026-10-24T23:00:00Z",
		events: []string{"a 2026-10-25T00:00:00Z", "a 2026-10-25T00:59:00Z", "a 2026-10-25T01:58:00Z", "a 2026-10-25T02:00:00Z"}, until: "2026-10-25T12:00:00Z",
		windows: []string{"2026-10-25T00:00:00Z 2026-10-25T02:00:00Z partial 3", "2026-10-25T02:00:00Z 2026-10-25T03:00:00Z partial 1"},
	},
}

// The windows of a service around a change of the clocks are those that the zone's own
// calendar says, whether an instance looks each minute or once at the end.
func TestClockChanges(t *testing.T) {
	t.Parallel()
	for _, c := range clockChanges {
		for looks, every := range map[string]time.Duration{"looks each minute": time.Minute, "looks late": 0} {
			t.Run(c.name+", "+looks, func(t *testing.T) {
				t.Parallel()
				c.check(t, every)
			})
		}
	}
}

func (c clockChange) check(t *testing.T, every time.Duration) {
	st := drivertest.SQLite(t)
	w := &world{T: t, docs: st, log: slog.DiscardHandler, bus: &moodyBus{Bus: localbus.New(topic)}, began: instantOf(t, c.began)}
	w.store = &timedStore{st, w}
	w.configured(c.trigger, c.endpoints, c.more)
	w.cfg.RetentionDays = 30
	i := w.instance(0)
	to := func(at time.Time) {
		i.Idle() // time stands still while messages are published
		for every > 0 && w.truth().Add(every).Before(at) {
			w.ran += every
			require.NoError(t, i.CloseDue(t.Context()))
			i.Idle()
		}
		w.ran = at.Sub(w.began)
	}
	for _, e := range c.events {
		word := append(strings.Fields(e), strings.Fields(e)[1])
		to(instantOf(t, word[1]))
		i.post(word[0], fmt.Sprintf(`{"at":%q}`, word[2]))
	}
	to(instantOf(t, c.until))
	require.NoError(t, i.CloseDue(t.Context()))
	i.Idle()
	for range 2 { // what has left by itself is deleted once the clock is settled
		w.ran += 2 * time.Minute
		_, err := i.Sweep(t.Context())
		require.NoError(t, err)
		i.Idle()
	}
	infos, err := i.Messages(t.Context(), store.Page{Limit: 100})
	require.NoError(t, err)
	var got []string
	in := 0
	for _, m := range infos {
		in += m.NumberOfEvents
		got = append(got, fmt.Sprintf("%s %s %s %d", limit(m.Window.Opened), limit(m.Window.Closes), m.Window.Completion, m.NumberOfEvents))
	}
	slices.Sort(got) // windows that one look closed are closed at once, in any order
	require.Equal(t, c.windows, got)
	s, err := i.Status(t.Context(), nil)
	require.NoError(t, err)
	expired, waiting := 0, 0
	for _, e := range s.Endpoints {
		expired, waiting = expired+e.Expired, waiting+e.Have
	}
	require.Equal(t, c.expired, expired, "events that left without a message")
	require.Equal(t, len(c.events), c.expired+waiting+in)
}

func instantOf(t *testing.T, text string) time.Time {
	at, err := time.Parse(time.RFC3339, text)
	require.NoError(t, err)
	return at
}

// limit returns a window's opening or close; a sliding window has neither.
func limit(at time.Time) string {
	if at.IsZero() {
		return "–"
	}
	return at.UTC().Format(time.RFC3339)
}
